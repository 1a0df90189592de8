"""The audit names what should not have been decided, given leave, told or remembered so."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from streams.topics import (
    ACCOUNT_STATE,
    CAMPAIGN_STATUS,
    CUSTOMER_STATE,
    DECISIONS,
    INTERACTIONS,
    LIMIT_CHANGES,
)
from tests.system.chaos.auditor import audit
from tests.system.chaos.checkpoints import CHECKPOINT
from tests.system.chaos.doctoring import change, find, found, outcome
from tests.system.chaos.evidence import Evidence, Seen
from tests.system.chaos.inputs import read_event
from tests.system.chaos.laws import Unjudged
from tests.system.chaos.load import policy_event

# --- what should not have been decided so -----------------------------------------------------


def test_a_denial_that_the_past_does_not_justify(evidence: Evidence) -> None:
    place = find(evidence, DECISIONS, outcome("approved"))
    denial = {"outcome": "denied", "reason": "window_full", "rule": "two-20s"}
    change(evidence, DECISIONS, place, **denial, eligible_at_ms=1)
    assert {"wrongly denied", "torn"} <= found(evidence)


@pytest.mark.parametrize("reason", ["window_full", "min_gap"])
def test_approvals_over_the_cap(evidence: Evidence, reason: str) -> None:
    """What was denied is approved: the recount sees it without a look at reasons."""
    for place, record in enumerate(evidence.topics[DECISIONS]):
        data = orjson.loads(record.value or b"")["data"]
        if (data["outcome"], data["reason"], data["kind"]) == ("denied", reason, "direct"):
            by_ms = data["decided_at_ms"] + 1
            change(evidence, DECISIONS, place, outcome="approved", reason="ok", send_by_ms=by_ms)
    assert {"over cap", "wrongly approved", "state", "torn"} <= found(evidence)


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
    assert f"wrongly {wrong.get('outcome', what)}" in found(evidence)


def test_a_decision_by_a_version_not_in_force(evidence: Evidence) -> None:
    change(evidence, DECISIONS, find(evidence, DECISIONS, outcome("approved")), policy_version=2)
    assert "wrongly approved" in found(evidence)


def test_a_clock_that_went_back(evidence: Evidence) -> None:
    records = evidence.topics[ACCOUNT_STATE]
    place = next(i for i, r in enumerate(records) if r.key == CHECKPOINT and i > len(records) // 2)
    mark = orjson.loads(records[place].value or b"")
    mark["clock_ms"] -= 60_000
    records[place] = records[place]._replace(value=orjson.dumps(mark))
    assert "clock back" in found(evidence)


@pytest.mark.parametrize("reason", ["account_paused", "campaign_paused", "campaign_canary"])
def test_a_word_of_an_account_that_had_no_reason_to_say_it(evidence: Evidence, reason: str) -> None:
    """Before anybody complained; and a broadcast waits for no share."""
    place = find(evidence, DECISIONS, lambda d: (d["stage"], d["kind"]) == ("account", "broadcast"))
    change(evidence, DECISIONS, place, reason=reason)
    assert any(kind.startswith("wrongly") for kind in found(evidence))


def test_leave_and_figures_that_contradict_what_was_told(evidence: Evidence) -> None:
    """A pause that was told of an account, which went on as if there were none."""
    used = find(evidence, "approved.broadcast")
    told = orjson.loads(evidence.topics["approved.broadcast"][used].value or b"")["data"]
    place = find(evidence, LIMIT_CHANGES, lambda d: d["what"] == "pause" and d["after"])
    begun = {"changed_at_ms": told["decided_at_ms"] - 5_000, "after": told["decided_at_ms"] + 5_000}
    change(evidence, LIMIT_CHANGES, place, **begun)
    key = f"acme/{told['account_id']}".encode()
    moved = evidence.topics[LIMIT_CHANGES][place]._replace(key=key)
    evidence.topics[LIMIT_CHANGES][place] = moved
    assert {"under a brake", "wrong figures"} <= found(evidence)


def test_a_share_that_shrinks(evidence: Evidence) -> None:
    place = find(evidence, CAMPAIGN_STATUS, lambda d: d["released"] > 0.2)
    change(evidence, CAMPAIGN_STATUS, place, released=0.1)
    assert "before their turn" in found(evidence)


def test_a_receipt_that_was_overheard(evidence: Evidence) -> None:
    """An engine that lost a `failed` counts a message that was never sent."""
    told = [e for r in evidence.topics[INTERACTIONS] if (e := read_event(r.value)) is not None]
    sent = {event.data.get("decision_id") for event in told if event.type == "delivered"}
    place = find(
        evidence,
        INTERACTIONS,
        lambda d: d.get("reason") == "not_sent" and d["decision_id"] not in sent,
    )
    change(evidence, INTERACTIONS, place, decision_id="0" * 32)
    assert any(kind == "state" or kind.startswith("wrongly") for kind in found(evidence))


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
