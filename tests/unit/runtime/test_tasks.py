from __future__ import annotations

import logging

from aiokafka.errors import KafkaError

from streams.runtime.aiokafka_patches import InDoubtError
from streams.runtime.tasks import SettledErrors


def never_retrieved(error: Exception | None) -> logging.LogRecord:
    about = None if error is None else (type(error), error, None)
    return logging.LogRecord("asyncio", logging.ERROR, "", 0, "never retrieved", (), about)


def test_what_a_producer_in_doubt_leaves_behind_is_not_logged_and_all_else_is() -> None:
    wrapped = KafkaError("Unexpected error during batch delivery")
    assert SettledErrors().filter(never_retrieved(wrapped))
    wrapped.__cause__ = InDoubtError()
    assert not SettledErrors().filter(never_retrieved(wrapped))
    assert not SettledErrors().filter(never_retrieved(InDoubtError()))
    assert SettledErrors().filter(never_retrieved(None))
