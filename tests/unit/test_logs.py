from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import pytest
import structlog

from streams.logs import FLOOD_LINES, FloodLimit, configure_logs, library_message_of

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_ours_and_the_librarys_come_out_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(terminal=False)

    structlog.get_logger("decorum.lane").info("committed", records=3)
    logging.getLogger("decorum.worker").warning("partition %d lost", 4)

    ours, theirs = lines(capsys)
    assert ours.pop("timestamp")
    assert theirs.pop("timestamp")
    assert ours == {
        "event": "committed",
        "records": 3,
        "logger": "decorum.lane",
        "level": "info",
    }
    assert theirs == {
        "event": "partition 4 lost",
        "logger": "decorum.worker",
        "level": "warning",
    }


def test_an_exception_stays_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(terminal=False)
    try:
        raise ValueError("broken")  # noqa: TRY301
    except ValueError:
        logging.getLogger("decorum.lane").critical("ended", exc_info=True)

    (line,) = lines(capsys)
    assert "ValueError: broken" in str(line["exception"])


@pytest.mark.parametrize("name", ["faust.app", "aiokafka.consumer", "mode.supervisors", "kafka.x"])
def test_libraries_are_heard_from_warnings_on(
    capsys: pytest.CaptureFixture[str], name: str
) -> None:
    configure_logs(terminal=False)
    logging.getLogger(name).info("chatter")
    logging.getLogger(name).warning("trouble")

    assert [line["event"] for line in lines(capsys)] == ["trouble"]


def test_a_terminal_gets_readable_lines(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(terminal=True)
    structlog.get_logger("decorum").info("started", partitions=8)

    said = capsys.readouterr().err
    assert "started" in said
    assert "partitions=8" in said
    assert not said.startswith("{")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def record(
    name: str, level: int = logging.ERROR, text: str = "no %s", what: str = "broker"
) -> logging.LogRecord:
    return logging.LogRecord(name, level, __file__, 1, text, (what,), None)


def test_a_flood_is_cut_and_counted() -> None:
    clock = Clock()
    limit = FloodLimit(lines=3, window_s=10, clock=clock)

    passed = [limit.filter(record("aiokafka")) for _ in range(10)]
    assert passed == [True] * 3 + [False] * 7
    assert limit.filter(record("other"))
    assert limit.filter(record("aiokafka", logging.CRITICAL))

    clock.now = 9.9
    assert not limit.filter(record("aiokafka"))
    clock.now = 10
    next_one = record("aiokafka")
    assert limit.filter(next_one)
    assert next_one.getMessage() == "no broker (8 more left out)"


def test_each_message_of_a_library_passes_once_whatever_its_arguments() -> None:
    clock = Clock()
    limit = FloodLimit(lines=1, window_s=10, sort_of=library_message_of, clock=clock)

    assert limit.filter(record("aiokafka.conn", what="node 1"))
    assert not limit.filter(record("aiokafka.conn", what="node 2"))
    assert limit.filter(record("aiokafka.conn", text="lost %s"))
    assert limit.filter(record("aiokafka.producer"))
    assert all(limit.filter(record("decorum.lane")) for _ in range(3))

    clock.now = 10
    next_one = record("aiokafka.conn", what="node 3")
    assert limit.filter(next_one)
    assert next_one.getMessage() == "no node 3 (1 more left out)"


def test_both_limits_hold_once_logs_are_configured(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(terminal=False)
    for number in range(FLOOD_LINES + 5):
        logging.getLogger("aiokafka.conn").warning("no node %d", number)
        logging.getLogger("decorum.lane").warning("slow batch %d", number)

    loggers = [line["logger"] for line in lines(capsys)]
    assert loggers.count("aiokafka.conn") == 1
    assert loggers.count("decorum.lane") == FLOOD_LINES
