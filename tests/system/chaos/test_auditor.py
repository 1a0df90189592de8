"""The audit passes what is right, and names each thing that is wrong with doctored evidence."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING

import pytest

from streams.topics import (
    ACCOUNT_LIMITS,
    ACCOUNT_STATE,
    CANDIDATES,
    CUSTOMER_STATE,
    DEAD_LETTERS,
    DECISIONS,
    INTENTS,
)
from tests.system.chaos.auditor import audit
from tests.system.chaos.chains import FINAL, faults_of_chain
from tests.system.chaos.checkpoints import CHECKPOINT
from tests.system.chaos.doctoring import change, decisions, find, found, outcome, repeat, told
from tests.system.chaos.evidence import Seen
from tests.system.chaos.rehearsal import STEP_AHEAD_MS, Steps, evidence_of, rehearse
from tests.system.chaos.wire import Place

if TYPE_CHECKING:
    from tests.flows.world import DriverWorld
    from tests.system.chaos.evidence import Evidence


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


def test_clocks_that_step_are_found_clean() -> None:
    steps = Steps()
    evidence = evidence_of(rehearse(seed=13, between=steps), steps)
    ahead = [data["decided_at_ms"] - r.timestamp for r, data in told(evidence)]
    assert max(ahead) == STEP_AHEAD_MS
    assert len(set(ahead)) > 2  # and then it stands still
    assert audit(evidence).clean


def test_without_checkpoints_some_interleaving_still_explains_everything(
    evidence: Evidence,
) -> None:
    """As after compaction, which leaves the last checkpoint of each partition alone."""
    records = evidence.topics[CUSTOMER_STATE]
    last = {r.partition: r.offset for r in records if r.key == CHECKPOINT}
    evidence.topics[CUSTOMER_STATE] = [
        r for r in records if r.key != CHECKPOINT or r.offset == last[r.partition]
    ]
    assert not any(kind.startswith("wrongly") for kind in found(evidence))


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
        ("deferred", "account_paused"),
        ("deferred", "campaign_canary"),
        ("denied", "account_pacing"),
        ("denied", "window_full"),
        ("denied", "too_many_held"),
        ("denied", "no_reply_credit"),
        ("denied", "no_consent"),
        ("denied", "suppressed"),
    }
    assert {d["policy_version"] for d in decisions(original)} == {1, 2}


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
    assert "torn" in found(evidence)


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


@pytest.mark.parametrize(("kind", "wrong"), [("direct", True), ("moment", False)])
def test_a_repeat_that_is_told_before_the_first(kind: str, *, wrong: bool) -> None:
    """Where an account's leave is waited for, there may be no word on the first yet."""
    said = [{"outcome": word, "kind": kind, "decision_id": "d"} for word in ("duplicate", "denied")]
    record = Seen(0, 0, 0, None, None)
    faults = list(faults_of_chain(("e", "s", "i", "c"), 2, [(record, data) for data in said]))
    assert bool(faults) is wrong


def test_a_deferral_after_the_last_word(evidence: Evidence) -> None:
    repeat(evidence, DECISIONS, find(evidence, DECISIONS, outcome("deferred")))
    assert "doubled" in found(evidence)


def test_an_approved_message_without_a_decision(evidence: Evidence) -> None:
    repeat(evidence, "approved.broadcast", 0)
    assert found(evidence) == {"torn"}


def test_a_decision_that_nobody_asked_for(evidence: Evidence) -> None:
    place = find(evidence, DECISIONS, outcome("approved"))
    change(evidence, DECISIONS, place, intent_id="never-asked")
    assert {"invented", "lost"} <= found(evidence)


def test_a_letter_about_a_good_record(evidence: Evidence) -> None:
    good = evidence.topics[INTENTS][find(evidence, INTENTS)]
    change(evidence, DEAD_LETTERS, 0, partition=good.partition, offset=good.offset)
    assert found(evidence) == {"dead letters"}


def test_a_letter_that_gives_a_wrong_reason(evidence: Evidence) -> None:
    change(evidence, DEAD_LETTERS, 0, reason="too_large")
    assert found(evidence) == {"dead letters"}


def test_a_letter_that_keeps_something_else(evidence: Evidence) -> None:
    change(evidence, DEAD_LETTERS, 0, value_base64="AAAA")
    assert found(evidence) == {"dead letters"}


# --- what cannot be read -----------------------------------------------------------------------

BATCH = bytes(61) + b"broken"
PLACE = (INTENTS, 0, 1 << 30)


def letter_about(evidence: Evidence, batch: bytes) -> None:
    """As a stage writes it about the batch at the place."""
    topic, partition, offset = PLACE
    repeat(evidence, DEAD_LETTERS, 0)
    last = len(evidence.topics[DEAD_LETTERS]) - 1
    about = {"topic": topic, "partition": partition, "offset": offset}
    kept = b64encode(batch).decode()
    change(evidence, DEAD_LETTERS, last, **about, reason="unreadable", value_base64=kept)


@pytest.mark.parametrize(
    ("letters", "spoilt", "right"),
    [
        ([BATCH], BATCH, True),
        ([], BATCH, False),
        ([BATCH, BATCH], BATCH, False),
        ([BATCH[:-1]], BATCH, False),
        ([BATCH], b"", False),
    ],
    ids=["kept", "no letter", "two letters", "not as it was", "was written whole"],
)
def test_a_batch_that_nobody_can_read(
    evidence: Evidence, letters: list[bytes], spoilt: bytes, *, right: bool
) -> None:
    evidence.broken, evidence.spoilt = {PLACE: BATCH}, {spoilt[61:]}
    for batch in letters:
        letter_about(evidence, batch)
    assert found(evidence) == (set() if right else {"dead letters"})


# --- what is half ------------------------------------------------------------------------------


def test_half_a_transaction_that_no_decision_misses(evidence: Evidence) -> None:
    told, state = evidence.topics[ACCOUNT_LIMITS][3], evidence.topics[ACCOUNT_STATE][3]
    evidence.transactions = [
        {
            Place(ACCOUNT_LIMITS, told.partition, told.offset),
            Place(ACCOUNT_STATE, state.partition, state.offset),
        }
    ]
    assert not found(evidence)
    del evidence.topics[ACCOUNT_LIMITS][3]
    assert found(evidence) == {"torn"}


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
