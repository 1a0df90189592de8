from __future__ import annotations

import logging

from streams.lane.logs import SILENCE_S, RateLimit


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
