"""How a worker ends when it must not go on.

After a failure in a partition, memory may be ahead of the changelog. So the process ends at once,
without Python's clean-up; a supervisor starts it again, and the restore is exact.

Rules of this file: nothing may catch a failure of a partition and carry on.
"""

from __future__ import annotations

import logging
import os
from typing import Final, NoReturn

EXIT_FAILED: Final = 70  # EX_SOFTWARE: start again
EXIT_REFUSED: Final = 2  # a restart does not help until an operator has acted

log = logging.getLogger("decorum.lane")


class StartRefusedError(Exception):
    """The cluster does not fit this worker: an operator must act. The text is one clear line."""


def end_process(where: str, cause: BaseException) -> NoReturn:
    """Log the cause, flush the log and end the process; open transactions are not committed."""
    refused = isinstance(cause, StartRefusedError)
    if refused:
        log.critical("%s: %s", where, cause)
    else:
        log.critical("%s failed: %r", where, cause, exc_info=cause)
    logging.shutdown()
    os._exit(EXIT_REFUSED if refused else EXIT_FAILED)
