"""The judge on single decisions that no rehearsal comes to: what arrives late, without leave."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.system.chaos.evidence import Seen
from tests.system.chaos.judge import fault_of
from tests.system.chaos.laws import read_laws
from tests.system.chaos.load import POLICY, policy_event
from tests.system.chaos.referee import Ask, Known, Waiting

ACCEPTED_MS = 1_000_000
ASK = Ask(
    name="tests/i1",
    account="a7",
    kind="friend_request",
    campaign=None,
    priority=50,
    deny=False,
    accepted_ms=ACCEPTED_MS,
    not_before_ms=0,
    deadline_ms=None,
    unled_ms=ACCEPTED_MS,
)
LATE_MS = ACCEPTED_MS + 9_000
"""Over the default deadline of a friend request."""


def fault(ask: Ask, said: dict[str, Any], known: Known | None = None) -> str | None:
    put = policy_event(1, POLICY)
    law = read_laws([Seen(0, 0, 0, put.key, put.value)], set())[0]
    usual = {"stage": "customer", "decided_at_ms": ACCEPTED_MS + 2}
    return fault_of(known or Known(), ask, law, usual | said)


@pytest.mark.parametrize("outcome", ["deferred", "denied"])
def test_what_came_without_leave_and_is_for_now_asks_for_it(outcome: str) -> None:
    ask = replace(ASK, deny=outcome == "denied")
    said = {"outcome": outcome, "reason": "account_pacing"}
    assert fault(ask, said) is None
    assert fault(replace(ask, unled_ms=None), said)
    assert fault(replace(ask, kind="direct"), said)
    assert fault(replace(ask, deny=not ask.deny), said)


def test_what_arrives_too_late_to_wait_for_leave_expires() -> None:
    said: dict[str, Any] = {
        "outcome": "expired",
        "reason": "deadline_passed",
        "decided_at_ms": LATE_MS,
    }
    assert fault(ASK, said) is None
    assert fault(replace(ASK, unled_ms=None), said)
    assert fault(ASK, said | {"decided_at_ms": ACCEPTED_MS + 8_000})


def test_a_brake_binds_its_kinds_until_its_end() -> None:
    direct = replace(ASK, kind="direct")
    end_ms = ACCEPTED_MS + 500
    known = Known(braked_ms={"a7": end_ms})
    waits: dict[str, Any] = {"outcome": "deferred", "reason": "account_paused", "rule": "brake"}
    waits |= {"remaining": {"two-20s": 2, "five-2m": 5}, "eligible_at_ms": end_ms}
    assert fault(direct, waits, known) is None
    assert fault(direct, waits | {"eligible_at_ms": end_ms - 1}, known)
    assert fault(direct, waits | {"decided_at_ms": end_ms}, known)
    goes: dict[str, Any] = {
        "outcome": "approved",
        "reason": "ok",
        "send_by_ms": ACCEPTED_MS + 3_002,
    }
    goes |= {"remaining": {"two-20s": 1, "five-2m": 4}}
    assert fault(direct, goes) is None
    assert fault(direct, goes, known)


@pytest.mark.parametrize(
    ("unled_ms", "right"), [(ACCEPTED_MS, True), (LATE_MS, False), (None, False)]
)
def test_what_its_queue_has_let_go_without_leave_waits_here_unsaid(
    unled_ms: int | None, *, right: bool
) -> None:
    """Which clocks that are apart bring about: too late by the account's, not by the customer's."""
    direct = replace(ASK, name="tests/new", kind="direct", priority=10, unled_ms=None)
    held = [replace(ASK, name=f"tests/h{number}", unled_ms=None) for number in range(4)]
    known = Known(
        held={ask.name: Waiting(ask, LATE_MS) for ask in [*held, direct]},
        queued={ASK.name: Waiting(replace(ASK, unled_ms=unled_ms), LATE_MS)},
        written_ms=ACCEPTED_MS + 2,
    )
    said = {"outcome": "denied", "reason": "too_many_held", "rule": "max_held"}
    assert (fault(direct, said, known) is None) is right
    assert fault(replace(direct, priority=90), said, known)
