from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import pytest
import structlog

from streams.ops.logs import FloodLimit, configure_logs

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


def record(name: str, level: int = logging.ERROR) -> logging.LogRecord:
    return logging.LogRecord(name, level, __file__, 1, "no %s", ("broker",), None)


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
    assert next_one.getMessage() == "no broker (8 lines before it left out)"
