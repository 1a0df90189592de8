"""One account's day, cut out of the evidence for the picture of it.

Rules of this file: evidence in, plain series out; it draws nothing. Limits come from
`account-limits` and `limit-changes`, messages from `approved.*` and their receipts.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from streams.core.kinds import KIND_OF
from streams.demo.day import ENTERPRISE

if TYPE_CHECKING:
    from streams.core.policy import Policy
    from streams.demo.account_side import AccountSide
    from streams.demo.day import Day
    from streams.demo.evidence import Evidence

NEW: Final = "new"


@dataclass(frozen=True)
class Span:
    """A time with one grade: [begins_ms, ends_ms)."""

    grade: str
    begins_ms: int
    ends_ms: int


@dataclass(frozen=True)
class Note:
    """A change worth a word in the picture; `before`: there is room for it before the moment."""

    at_ms: int
    text: str
    before: bool


@dataclass(frozen=True)
class Portrait:
    """One account's day. Times are UTC milliseconds, rates shares of 1."""

    enterprise: str
    account: str
    begins_ms: int
    ends_ms: int
    limits: list[dict[str, Any]]
    """`account-limits`, oldest first."""
    grades: list[Span]
    brake_ms: list[int]
    """When the brake stopped the account."""
    notes: list[Note]
    marketing_ms: list[int]
    """Deliveries of the kinds that the brake stops."""
    other_ms: list[int]
    """All other deliveries: orders, answers."""
    hurts_ms: list[int]
    """Complaints and blocks."""
    red: float | None
    """The rate above which an account is red, where the policy has one."""
    dead: tuple[int, int]
    """From when to when the worker was dead; the same moment twice where it never was."""


def portrait_of(
    evidence: Evidence, day: Day, policy: Policy, dead: tuple[int, int] = (0, 0)
) -> Portrait | None:
    """The account with the most to tell; None where no account has limits."""
    side = evidence.accounts
    if not side.limits:
        return None
    account = _most_to_tell(side)
    marketing, other = _deliveries(evidence, account, policy)
    reputation = policy.reputation
    return Portrait(
        ENTERPRISE,
        account,
        day.start_ms,
        day.end_ms,
        side.limits[account],
        _grades(side.limits[account], day),
        [
            change["changed_at_ms"]
            for change in side.changes_of(account, "pause")
            if change["reason"] in {"burst", "off"}
        ],
        _notes(side, account),
        marketing,
        other,
        sorted(h.occurred_ms for h in side.hurts[account] if h.what != "opt_out"),
        None if reputation is None else reputation.red.share,
        dead,
    )


def _most_to_tell(side: AccountSide) -> str:
    """The first that the brake stopped, or else the one whose limits were moved most often."""
    stops = [(c["changed_at_ms"], c["account_id"]) for c in side.changes if c["reason"] == "burst"]
    if stops:
        return str(min(stops)[1])
    moved = {name: sum(c["account_id"] == name for c in side.changes) for name in side.limits}
    return max(sorted(moved), key=lambda name: moved[name])


def _grades(limits: list[dict[str, Any]], day: Day) -> list[Span]:
    turns = [(day.start_ms, NEW)]
    for told in limits:
        if told["grade"] != turns[-1][1]:
            turns.append((told["updated_at_ms"], told["grade"]))
    turns.append((day.end_ms, ""))
    return [Span(grade, begins, ends) for (begins, grade), (ends, _) in pairwise(turns)]


def _notes(side: AccountSide, account: str) -> list[Note]:
    notes = []
    for change in side.changes_of(account, "pause"):
        if change["reason"] == "burst":
            hurt = f"{change['complaints']:g} complaints\non {change['delivered']:,} messages"
            notes.append(Note(change["changed_at_ms"], f"the brake:\n{hurt}", before=True))
        elif change["reason"] == "pause_over":
            notes.append(
                Note(
                    change["changed_at_ms"],
                    "pause over:\nwhat waited goes out",
                    before=False,
                )
            )
    return notes


def _deliveries(evidence: Evidence, account: str, policy: Policy) -> tuple[list[int], list[int]]:
    """When messages of the account were delivered: those the brake stops, and the others."""
    stopped = 0 if policy.brake is None else policy.brake.kinds
    marketing: list[int] = []
    other: list[int] = []
    for message in evidence.approved:
        receipts = evidence.receipts.get(message["decision_id"], [])
        delivered = next((r.occurred_ms for r in receipts if r.delivered), None)
        if message["account_id"] == account and delivered is not None:
            braked = stopped >> KIND_OF[message["kind"]] & 1
            (marketing if braked else other).append(delivered)
    return sorted(marketing), sorted(other)
