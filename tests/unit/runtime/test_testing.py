from __future__ import annotations

import pytest

from streams.runtime.partitioner import partition_for
from streams.runtime.testing import StageTestDriver
from tests.unit.runtime.toy import Alarm, Count, Relay


def values(driver: StageTestDriver, topic: str) -> list[bytes | None]:
    return [record.value for record in driver.read(topic)]


def test_keys_go_where_java_puts_them() -> None:
    driver = StageTestDriver([], partitions=8)
    assert driver.produce("in", b"acme/c1", b"").partition == partition_for(b"acme/c1", 8)
    assert driver.produce("in", b"acme/c1", b"", partition=5).partition == 5


def test_two_stages_in_one_run() -> None:
    driver = StageTestDriver([Relay(8), Count()])
    for text in (b"a 1", b"b 1", b"a 2"):
        driver.produce("first", b"account", text)
    driver.run()
    assert sorted(values(driver, "out"), key=repr) == [b"1:a 1", b"1:b 1", b"2:a 2"]
    assert driver.counters == {("records", "in"): 3}


def test_sources_are_merged_in_the_order_of_production() -> None:
    driver = StageTestDriver([Count(sources=("in", "also"))], partitions=1)
    for topic in ("also", "in", "in", "also"):
        driver.produce(topic, b"k", topic.encode())
    driver.run()
    assert values(driver, "out") == [b"1:also", b"2:in", b"3:in", b"4:also"]


def test_a_crash_loses_and_doubles_nothing() -> None:
    driver = StageTestDriver([Relay(8), Count()])
    for number in range(50):
        driver.produce("first", b"account", b"k %d" % number)
        if number % 3 == 0:
            driver.run()
        if number % 7 == 0:
            driver.crash()
    driver.run()
    assert values(driver, "out") == [b"%d:k %d" % (n + 1, n) for n in range(50)]


def test_timers_survive_a_crash_and_fire_exactly_in_order() -> None:
    driver = StageTestDriver([Alarm()], partitions=1, clock=1_000)
    for text in (b"5000 b", b"5000 a", b"2000 c", b"3000 d"):
        driver.produce("alarms", b"k", text)
    driver.produce("alarms", b"k", b"-3000 d")
    driver.run()
    driver.crash()
    driver.advance(4_999)
    driver.crash()
    driver.advance(9_000)
    assert values(driver, "rung")[5:] == [
        b"due 2000 fired 2000",
        b"due 5000 fired 5000",
        b"due 5000 fired 5000",
    ]
    assert [r.key for r in driver.read("rung")][5:] == [b"c", b"a", b"b"]
    assert driver.now_ms == 9_000


def test_repeating_timers_are_met_on_the_way() -> None:
    driver = StageTestDriver([Alarm(repeat_ms=100)], partitions=1)
    driver.produce("alarms", b"k", b"100 tick")
    driver.advance(350)
    assert [r.timestamp for r in driver.read("rung")[1:]] == [100, 200, 300]


def test_a_failed_batch_leaves_no_trace() -> None:
    driver = StageTestDriver([Count()], partitions=1)
    driver.produce("in", b"k", b"fine")
    driver.run()
    driver.produce("in", b"k", b"never seen")
    driver.produce("in", b"k", b"break")
    with pytest.raises(ValueError, match="told to break"):
        driver.run()
    assert values(driver, "out") == [b"1:fine"]
    assert driver.state("count", 0).get(b"k") == b"1"
    assert driver.counters == {("records", "in"): 1}


def test_records_without_a_key_go_to_the_first_partition() -> None:
    driver = StageTestDriver([Count()], partitions=4)
    assert driver.produce("in", None, b"x").partition == 0
    driver.run()
    assert values(driver, "out") == [b"1:x"]


def test_stages_may_have_different_partition_counts() -> None:
    driver = StageTestDriver(
        [Relay(3, sources=("first",)), Count()], partitions={"in": 3, "out": 3}
    )
    driver.produce("first", b"k", b"c 1")
    driver.run()
    assert [r.partition for r in driver.read("out")] == [partition_for(b"c", 3)]
    with pytest.raises(KeyError):
        driver.state("relay", 1)


def test_a_stage_that_feeds_itself_is_told_and_not_waited_for() -> None:
    driver = StageTestDriver([Count(output="in")], partitions=1)
    driver.produce("in", b"k", b"")
    with pytest.raises(RuntimeError, match="feeds itself"):
        driver.run()
