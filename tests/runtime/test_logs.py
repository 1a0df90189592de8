from __future__ import annotations

import logging

from aiokafka.errors import KafkaError

from streams.runtime.aiokafka_patches import InDoubtError
from streams.runtime.logs import SILENCE_S, OncePerMessage, RateLimit


def record(text: str, *args: object, name: str = "aiokafka.conn") -> logging.LogRecord:
    return logging.LogRecord(name, logging.ERROR, "", 0, text, args, None)


def test_the_same_message_passes_once_and_then_says_how_many_were_held() -> None:
    now = 0.0
    limit = RateLimit(lambda: now)
    assert limit.filter(record("no node %s", 1))
    assert not limit.filter(record("no node %s", 2))
    now = SILENCE_S - 0.001
    assert not limit.filter(record("no node %s", 3))
    now = SILENCE_S
    passing = record("no node %s", 4)
    assert limit.filter(passing)
    assert passing.getMessage() == "no node 4 (2 more like this were held back)"


def test_other_messages_and_other_loggers_pass() -> None:
    limit = RateLimit(lambda: 0.0)
    assert limit.filter(record("one"))
    assert limit.filter(record("two"))
    assert limit.filter(record("one", name="aiokafka.producer"))


def test_what_a_producer_in_doubt_leaves_behind_says_nothing_and_all_else_passes() -> None:
    def left(error: Exception) -> logging.LogRecord:
        about = (type(error), error, None)
        return logging.LogRecord("asyncio", logging.ERROR, "", 0, "never retrieved", (), about)

    wrapped = KafkaError("Unexpected error during batch delivery")
    assert OncePerMessage().filter(left(wrapped))
    wrapped.__cause__ = InDoubtError()
    assert not OncePerMessage().filter(left(wrapped))
    assert not OncePerMessage().filter(left(InDoubtError()))
    assert OncePerMessage().filter(record("anything"))
