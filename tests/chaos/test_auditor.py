"""The audit passes what is right, and names each thing that is wrong with doctored evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest

from streams.topics import (
    ACCOUNT_STATE,
    CANDIDATES,
    CUSTOMER_STATE,
    DEAD_LETTERS,
    DECISIONS,
    INTENTS,
    INTERACTIONS,
)
from tests.chaos.auditor import FINAL, audit
from tests.chaos.customers import WATERMARK
from tests.chaos.evidence import Evidence, Seen
from tests.chaos.inputs import read_event
from tests.chaos.laws import Unjudged
from tests.chaos.load import policy_event
from tests.chaos.rehearsal import evidence_of, rehearse

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.flows.world import DriverWorld


@pytest.fixture(scope="module")
def original() -> Evidence:
    return evidence_of(rehearse(seed=7))


@pytest.fixture
def evidence(original: Evidence) -> Evidence:
    """A copy to doctor."""
    return Evidence(original.partitions, {t: list(r) for t, r in original.topics.items()})


def find(
    evidence: Evidence, topic: str, wanted: Callable[[dict[str, Any]], Any] = lambda data: True
) -> int:
    """The place of the first record whose `data` is as wanted."""
    for place, record in enumerate(evidence.topics[topic]):
        event = read_event(record.value)
        if event is not None and wanted(event.data):
            return place
    raise AssertionError(f"nothing like it on {topic}")


def change(evidence: Evidence, topic: str, place: int, **data: Any) -> None:
    record = evidence.topics[topic][place]
    body = orjson.loads(record.value or b"")
    body["data"] |= data
    evidence.topics[topic][place] = record._replace(value=orjson.dumps(body))


def repeat(evidence: Evidence, topic: str, place: int) -> None:
    """The record once more, at the end of its partition."""
    record = evidence.topics[topic][place]
    end = max(r.offset for r in evidence.topics[topic] if r.partition == record.partition)
    evidence.topics[topic].append(record._replace(offset=end + 1))


def found(evidence: Evidence) -> set[str]:
    """The kinds of what the audit finds."""
    return {kind for kind, sentences in audit(evidence).findings.items() if sentences}


def outcome(*wanted: str) -> Callable[[dict[str, Any]], bool]:
    return lambda data: data["outcome"] in wanted


# --- what is right ----------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_what_was_decided_rightly_is_found_clean(seed: int) -> None:
    report = audit(evidence_of(rehearse(seed, customers=4 + 8 * (seed % 2))))
    assert report.findings == {kind: [] for kind in report.findings}
    assert report.counts["held"] == 0
    assert report.counts["decided"] > 1_000


def test_crashes_between_any_two_steps_are_found_clean() -> None:
    def crash(world: DriverWorld) -> None:
        world.crash()

    assert audit(evidence_of(rehearse(seed=11, between=crash))).clean


def test_without_watermarks_some_interleaving_still_explains_everything(
    evidence: Evidence,
) -> None:
    """As after compaction, which leaves the last watermark of each partition alone."""
    records = evidence.topics[CUSTOMER_STATE]
    last = {r.partition: r.offset for r in records if r.key == WATERMARK}
    evidence.topics[CUSTOMER_STATE] = [
        r for r in records if r.key != WATERMARK or r.offset == last[r.partition]
    ]
    assert not audit(evidence).number("unjustified")


def test_the_load_meets_every_case(original: Evidence) -> None:
    more = decisions(original) + decisions(evidence_of(rehearse(seed=8, steps=90)))
    said = {(d["outcome"], d["reason"]) for d in more}
    assert said >= {
        ("approved", "ok"),
        ("duplicate", "duplicate"),
        ("expired", "deadline_passed"),
        ("deferred", "window_full"),
        ("deferred", "min_gap"),
        ("deferred", "slot_reserved"),
        ("deferred", "not_yet"),
        ("deferred", "account_window_full"),
        ("deferred", "account_pacing"),
        ("denied", "account_pacing"),
        ("denied", "window_full"),
        ("denied", "too_many_held"),
        ("denied", "no_reply_credit"),
        ("denied", "no_consent"),
        ("denied", "suppressed"),
    }
    assert {d["policy_version"] for d in decisions(original)} == {1, 2}


def decisions(evidence: Evidence) -> list[dict[str, Any]]:
    return [orjson.loads(r.value or b"")["data"] for r in evidence.topics[DECISIONS]]


# --- what is missing --------------------------------------------------------------------------


def test_a_decision_that_is_missing(evidence: Evidence) -> None:
    del evidence.topics[DECISIONS][find(evidence, DECISIONS, outcome("denied"))]
    assert "lost" in found(evidence)


def test_a_duplicate_that_is_missing(evidence: Evidence) -> None:
    del evidence.topics[DECISIONS][find(evidence, DECISIONS, outcome("duplicate"))]
    assert "lost" in found(evidence)


def test_a_last_word_that_is_missing_looks_held_and_the_state_tells_otherwise(
    evidence: Evidence,
) -> None:
    was_held = find(evidence, DECISIONS, lambda d: d["outcome"] == "expired" and "rule" in d)
    del evidence.topics[DECISIONS][was_held]
    assert "state" in found(evidence)
    assert "lost" not in found(evidence)


def test_an_approved_message_that_is_missing(evidence: Evidence) -> None:
    del evidence.topics["approved.direct"][3]
    assert found(evidence) == {"lost"}


def test_a_candidate_that_is_missing(evidence: Evidence) -> None:
    key = evidence.topics[CANDIDATES][0].key
    kept = [r for r in evidence.topics[CANDIDATES] if r.key != key]
    evidence.topics[CANDIDATES] = kept
    assert "lost" in found(evidence)


def test_a_dead_letter_that_is_missing(evidence: Evidence) -> None:
    del evidence.topics[DEAD_LETTERS][0]
    assert found(evidence) == {"dead letters"}


def test_a_stray_that_was_not_forwarded(evidence: Evidence) -> None:
    place = next(i for i, r in enumerate(evidence.topics[INTENTS]) if r.key == b"somebody/else")
    value = evidence.topics[INTENTS][place].value
    copies = [r for r in evidence.topics[INTENTS] if r.value != value or r.key == b"somebody/else"]
    evidence.topics[INTENTS] = copies
    assert "lost" in found(evidence)


# --- what is too much -------------------------------------------------------------------------


@pytest.mark.parametrize("what", [*sorted(FINAL & {"approved", "denied", "expired"}), "duplicate"])
def test_a_decision_that_is_doubled(evidence: Evidence, what: str) -> None:
    repeat(evidence, DECISIONS, find(evidence, DECISIONS, outcome(what)))
    assert "doubled" in found(evidence)


def test_a_deferral_after_the_last_word(evidence: Evidence) -> None:
    repeat(evidence, DECISIONS, find(evidence, DECISIONS, outcome("deferred")))
    assert "doubled" in found(evidence)


def test_an_approved_message_without_a_decision(evidence: Evidence) -> None:
    repeat(evidence, "approved.broadcast", 0)
    assert found(evidence) == {"invented"}


def test_a_decision_that_nobody_asked_for(evidence: Evidence) -> None:
    place = find(evidence, DECISIONS, outcome("approved"))
    change(evidence, DECISIONS, place, intent_id="never-asked")
    assert {"invented", "lost"} <= found(evidence)


def test_a_letter_about_a_good_record(evidence: Evidence) -> None:
    good = evidence.topics[INTENTS][find(evidence, INTENTS)]
    change(evidence, DEAD_LETTERS, 0, partition=good.partition, offset=good.offset)
    assert found(evidence) == {"dead letters"}


def test_a_letter_that_keeps_something_else(evidence: Evidence) -> None:
    change(evidence, DEAD_LETTERS, 0, value_base64="AAAA")
    assert found(evidence) == {"dead letters"}


# --- what is not where it belongs -------------------------------------------------------------


@pytest.mark.parametrize("topic", [DECISIONS, "approved.direct"])
def test_a_record_in_another_partition(evidence: Evidence, topic: str) -> None:
    record = evidence.topics[topic][0]
    moved = record._replace(partition=(record.partition + 1) % 4, offset=1 << 40)
    evidence.topics[topic][0] = moved
    assert "misplaced" in found(evidence)


def test_a_record_with_another_key(evidence: Evidence) -> None:
    record = evidence.topics["approved.direct"][0]
    evidence.topics["approved.direct"][0] = record._replace(key=b"acme/other")
    assert found(evidence) == {"misplaced"}


# --- what should not have been decided so -----------------------------------------------------


def test_a_denial_that_the_past_does_not_justify(evidence: Evidence) -> None:
    place = find(evidence, DECISIONS, outcome("approved"))
    denial = {"outcome": "denied", "reason": "window_full", "rule": "two-20s"}
    change(evidence, DECISIONS, place, **denial, eligible_at_ms=1)
    assert {"unjustified", "invented"} <= found(evidence)


@pytest.mark.parametrize("reason", ["window_full", "min_gap"])
def test_approvals_over_the_cap(evidence: Evidence, reason: str) -> None:
    """What was denied is approved: the recount sees it without a look at reasons."""
    for place, record in enumerate(evidence.topics[DECISIONS]):
        data = orjson.loads(record.value or b"")["data"]
        if (data["outcome"], data["reason"], data["kind"]) == ("denied", reason, "direct"):
            by_ms = data["decided_at_ms"] + 1
            change(evidence, DECISIONS, place, outcome="approved", reason="ok", send_by_ms=by_ms)
    assert {"over cap", "unjustified", "state", "lost"} <= found(evidence)


@pytest.mark.parametrize(
    ("what", "wrong"),
    [
        ("approved", {"remaining": {"two-20s": 7}}),
        ("deferred", {"eligible_at_ms": 1}),
        ("deferred", {"rule": "adds"}),
        ("denied", {"reason": "no_consent", "rule": "consent"}),
        ("expired", {"outcome": "denied", "reason": "window_full", "rule": "two-20s"}),
        ("approved", {"policy_version": 3}),
    ],
)
def test_a_detail_that_is_wrong(evidence: Evidence, what: str, wrong: dict[str, Any]) -> None:
    place = find(evidence, DECISIONS, lambda d: d["outcome"] == what and d["kind"] == "direct")
    change(evidence, DECISIONS, place, **wrong)
    assert "unjustified" in found(evidence)


def test_a_decision_by_a_version_not_in_force(evidence: Evidence) -> None:
    change(evidence, DECISIONS, find(evidence, DECISIONS, outcome("approved")), policy_version=2)
    assert "unjustified" in found(evidence)


def test_a_receipt_that_was_overheard(evidence: Evidence) -> None:
    """An engine that lost a `failed` counts a message that was never sent."""
    place = find(evidence, INTERACTIONS, lambda d: d.get("reason") == "not_sent")
    change(evidence, INTERACTIONS, place, decision_id="0" * 32)
    assert found(evidence) & {"state", "unjustified"}


# --- what the state says otherwise ------------------------------------------------------------


def test_a_balance_that_does_not_balance(evidence: Evidence) -> None:
    records = evidence.topics[ACCOUNT_STATE]
    evidence.topics[ACCOUNT_STATE] = [r for r in records if r.key != b"balance"]
    assert found(evidence) == {"state"}


def test_a_ledger_that_forgot(evidence: Evidence) -> None:
    records = evidence.topics[CUSTOMER_STATE]
    key = next(r.key for r in records if (r.key or b"").startswith(b"acme/c"))
    evidence.topics[CUSTOMER_STATE] = [r for r in records if r.key != key]
    assert found(evidence) == {"state"}


def test_a_policy_beyond_the_audit_is_not_passed_over(evidence: Evidence) -> None:
    put = policy_event(9, {"holdout": {"share": "50%", "kinds": ["direct"]}})
    evidence.topics["policies"].append(Seen(0, 99, 0, put.key, put.value))
    with pytest.raises(Unjudged, match="holdout"):
        audit(evidence)
