"""How a worker ends when it must not go on.

After a failure in a partition its memory may be ahead of the changelog, so the process ends at
once and without Python's clean-up: a supervisor starts it again, and recovery is exact. Nothing
may catch a failure of a partition to carry on.
"""

from __future__ import annotations

import logging
import os
from typing import Final, NoReturn

EXIT_FAILED: Final = 70  # EX_SOFTWARE: start again
EXIT_REFUSED: Final = 2  # starting again does not help before an operator has acted

log = logging.getLogger("decorum.lane")


class StartRefusedError(Exception):
    """What is on the cluster does not fit: an operator must act. The text is one clear line."""


def end_process(where: str, cause: BaseException) -> NoReturn:
    """Log why, flush the log and end the process; nothing open gets committed."""
    refused = isinstance(cause, StartRefusedError)
    if refused:
        log.critical("%s: %s", where, cause)
    else:
        log.critical("%s failed: %r", where, cause, exc_info=cause)
    logging.shutdown()
    os._exit(EXIT_REFUSED if refused else EXIT_FAILED)
