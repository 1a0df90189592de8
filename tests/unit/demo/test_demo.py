from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest

from streams.core.reasons import Reason
from streams.demo import summary
from streams.demo.account_audit import account_audit
from streams.demo.audit import Sent, audit, over_cap
from streams.demo.day import HOUR_MS, ZONE, Day
from streams.demo.programs import events_of
from streams.demo.sender import Sender
from streams.demo.words import WORDS
from streams.events.decode import decode_intent, decode_interaction
from streams.events.envelope import Rejected
from streams.policy.files import packaged
from streams.runtime.partitioner import partition_for
from streams.topics import DEAD_LETTERS, DECISIONS, INTENTS, approved
from tests.flows.events import data_of
from tests.unit.demo.driver import PARTITIONS, evidence_of, played

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.core.policy import Window
    from streams.demo.audit import Check
    from streams.runtime.testing import DriverRecord

SMALL = Day(customers=60, accounts=4)
POLICY = packaged()[1]


@pytest.fixture(scope="module")
def records() -> list[DriverRecord]:
    return played(SMALL, POLICY)


def faults(records: list[DriverRecord]) -> list[Check]:
    evidence = evidence_of(records)
    checks = [*audit(evidence, POLICY), *account_audit(evidence, POLICY)]
    return [check for check in checks if not check.good]


def find(
    records: list[DriverRecord], topic: str, wanted: Callable[[dict[str, Any]], bool]
) -> DriverRecord:
    return next(r for r in records if r.topic == topic and wanted(data_of(r)))


def without(records: list[DriverRecord], one: DriverRecord) -> list[DriverRecord]:
    return [record for record in records if record is not one]


# The day.


def test_the_same_day_gives_the_same_records() -> None:
    assert events_of(SMALL, 4) == events_of(Day(customers=60, accounts=4), 4)
    assert events_of(SMALL, 4) != events_of(Day(customers=60, accounts=4, seed=9), 4)


def test_events_come_in_order_and_within_the_day() -> None:
    times = [event.at_ms for event in events_of(SMALL, 4)]
    assert times == sorted(times)
    assert SMALL.start_ms <= times[0]
    assert times[-1] < SMALL.end_ms


def test_only_the_deliberate_mistakes_are_refused() -> None:
    read = {INTENTS: decode_intent}
    answers = [read.get(e.topic, decode_interaction)(e.value) for e in events_of(SMALL, 4)]
    reasons = sorted(answer.reason for answer in answers if isinstance(answer, Rejected))
    assert reasons == sorted(2 * ["not_json", "not_utf8", "invalid", "unknown_type"])


def test_some_records_come_without_key_or_astray() -> None:
    astray = [e for e in events_of(Day(customers=600), 4) if e.partition is not None]
    assert any(event.key is None for event in astray)
    assert any(event.key and partition_for(event.key, 4) != event.partition for event in astray)


# The sender.


def message(**more: Any) -> dict[str, Any]:
    who = {"decision_id": "d1", "account_id": "xiaoer-01", "customer_id": "wm-00001"}
    return {**who, "kind": "reply", "send_by_ms": 1_000, **more}


def test_the_sender_never_sends_after_the_last_moment() -> None:
    (receipt, *_) = Sender(1).send(message(), 1_001)
    told = orjson.loads(receipt.value)
    assert (told["type"], told["data"]["reason"]) == ("decorum.failed.v1", "not_sent")
    assert orjson.loads(Sender(1).send(message(), 1_000)[0].value)["type"].endswith("delivered.v1")


def test_the_sender_drops_repeats_and_counts_them() -> None:
    sender = Sender(1)
    assert sender.send(message(), 0)
    assert sender.send(message(), 0) == []
    assert (sender.sent, sender.repeats) == (1, 1)


# The audit of a good day, and of doctored ones.


def test_a_good_day_balances(records: list[DriverRecord]) -> None:
    assert faults(records) == []
    outcomes = evidence_of(records).outcomes
    for outcome in ("approved", "denied", "duplicate", "expired", "deferred"):
        assert outcomes[outcome] > 0, outcome


def test_a_missing_decision_is_noticed(records: list[DriverRecord]) -> None:
    lost = find(records, DECISIONS, lambda said: said["outcome"] == "denied")
    assert len(faults(without(records, lost))) == 2  # the balance, and the ask without an end


def test_a_doubled_decision_is_noticed(records: list[DriverRecord]) -> None:
    twice = find(records, DECISIONS, lambda said: said["outcome"] == "denied")
    assert len(faults([*records, twice])) == 2


def test_a_loss_is_not_made_good_by_a_double(records: list[DriverRecord]) -> None:
    lost = find(records, DECISIONS, lambda said: said["outcome"] == "denied")
    twice = find(without(records, lost), DECISIONS, lambda said: said["outcome"] == "denied")
    (fault,) = faults([*without(records, lost), twice])
    assert fault.faults == 2


@pytest.mark.parametrize("outcome", ["approved", "duplicate"])
def test_each_lost_answer_is_noticed(records: list[DriverRecord], outcome: str) -> None:
    assert faults(without(records, find(records, DECISIONS, lambda d: d["outcome"] == outcome)))


def test_a_lost_and_a_doubled_message_are_noticed(records: list[DriverRecord]) -> None:
    one = find(records, approved("direct"), lambda _: True)
    for doctored in (without(records, one), [*records, one]):
        assert any("approved.*" in fault.text for fault in faults(doctored))


def test_a_message_on_another_kinds_topic_is_noticed(records: list[DriverRecord]) -> None:
    one = find(records, approved("direct"), lambda _: True)
    moved = one._replace(topic=approved("moment"))
    assert faults([*without(records, one), moved])


def test_a_lost_dead_letter_and_a_lost_stray_are_noticed(records: list[DriverRecord]) -> None:
    letter = find(records, DEAD_LETTERS, lambda _: True)
    assert faults(without(records, letter))
    evidence = evidence_of(records)
    stray = next(iter(evidence.strays))
    home = next(r for r in records if r.value == stray and r.key and r.partition == home_of(r))
    assert any("forwarded" in fault.text for fault in faults(without(records, home)))


def home_of(record: DriverRecord) -> int:
    return partition_for(record.key or b"", PARTITIONS)


# Counting again.


def window(name: str) -> Window:
    return next(window for window in POLICY.windows if window.id == name)


def sent(*at_ms: int, kind: str = "direct", account: str = "a") -> list[Sent]:
    return [Sent("c", account, None, kind, each) for each in at_ms]


DAY_MS = 24 * HOUR_MS
NOON_MS = 20_000 * DAY_MS + 4 * HOUR_MS  # in Shanghai


def test_a_rolling_window_is_free_again_after_exactly_its_length() -> None:
    assert over_cap(window("direct-24h"), sent(NOON_MS, NOON_MS + DAY_MS), ZONE) == 0
    assert over_cap(window("direct-24h"), sent(NOON_MS, NOON_MS + DAY_MS - 1), ZONE) == 1


def test_a_gap_is_legal_at_exactly_its_length() -> None:
    gap = window("marketing-24h")
    assert over_cap(gap, sent(NOON_MS, NOON_MS + 4 * HOUR_MS), ZONE) == 0
    assert over_cap(gap, sent(NOON_MS, NOON_MS + 4 * HOUR_MS - 1), ZONE) == 1


def test_a_calendar_day_ends_at_local_midnight() -> None:
    midnight_ms = NOON_MS + 12 * HOUR_MS
    day = window("broadcast-day")
    assert over_cap(day, sent(NOON_MS, midnight_ms, kind="broadcast"), ZONE) == 0
    assert over_cap(day, sent(NOON_MS, midnight_ms - 1, kind="broadcast"), ZONE) == 1


def test_an_accounts_window_counts_its_own_messages_alone() -> None:
    own = [
        *sent(NOON_MS, kind="broadcast", account="a"),
        *sent(NOON_MS, kind="broadcast", account="b"),
    ]
    assert over_cap(window("member-day"), own, ZONE) == 0
    assert over_cap(window("broadcast-day"), own, ZONE) == 1


def test_other_kinds_and_other_customers_do_not_count() -> None:
    other = [Sent("d", "a", None, "direct", NOON_MS), *sent(NOON_MS, kind="moment")]
    assert over_cap(window("direct-24h"), [*other, *sent(NOON_MS)], ZONE) == 0


# The summary.


def test_the_summary_counts_what_the_topics_say(records: list[DriverRecord]) -> None:
    evidence = evidence_of(records)
    (head, *kinds, total, _) = summary.outcomes(evidence)
    assert head.split()[:3] == ["asked", "approved", "denied"]
    numbers = [[int(cell.replace(",", "")) for cell in row.split()[1:]] for row in kinds]
    assert [sum(column) for column in zip(*numbers, strict=True)] == [
        int(cell.replace(",", "")) for cell in total.split()[1:]
    ]
    assert all(row[0] == sum(row[1:]) for row in numbers)


def test_every_line_of_the_summary_fits(records: list[DriverRecord]) -> None:
    evidence = evidence_of(records)
    for _, lines in summary.summary(evidence, audit(evidence, POLICY), POLICY):
        assert lines
        assert max(map(len, lines)) <= 110


def test_every_reason_but_two_has_words() -> None:
    assert set(Reason) - set(WORDS) == {Reason.OK, Reason.DUPLICATE}
