"""The audit of the accounts' side: what accounts did, counted again against what they might do.

As in `audit`: the naive way, with nothing of the engine's books. Friend requests are counted one by
one; the pace is a bucket that leaks; complaints are summed from the customers' own events.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple
from zoneinfo import ZoneInfo

from streams.demo.audit import Check

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from streams.core.policy import Pacing, Policy, Weights
    from streams.demo.account_side import AccountSide
    from streams.demo.evidence import Evidence

US_PER_S: Final = 1_000_000
US_PER_MS: Final = 1_000


class Turn(NamedTuple):
    """One leave that took its share of an account's pace; no interval: the pace was nought."""

    at_us: int
    used: bool
    """Whether the message was approved by it."""
    interval_us: float | None


def account_audit(evidence: Evidence, policy: Policy) -> Iterator[Check]:
    """What must hold of accounts, as far as the policy governs them."""
    if policy.ceilings is not None:
        yield daily_adds(evidence, policy.time_zone)
    if policy.pacing is not None:
        yield paced(evidence, policy.pacing)
    if policy.reputation is not None:
        yield complaints(evidence, policy.reputation.weights)


def daily_adds(evidence: Evidence, time_zone: str) -> Check:
    """Requests of an account on a calendar day, without those that failed, against the highest
    daily ceiling that was in force for it on that day.
    """
    zone, asked = ZoneInfo(time_zone), Counter[tuple[str, str]]()
    for message in evidence.approved:
        receipts = evidence.receipts.get(message["decision_id"], [])
        if message["kind"] == "friend_request" and (
            not receipts or any(receipt.delivered for receipt in receipts)
        ):
            asked[message["account_id"], _day(message["decided_at_ms"], zone)] += 1
    allowed = _ceilings(evidence.accounts, zone)
    over = [count - allowed.get(day, 0) for day, count in asked.items()]
    who = len({account for account, _ in asked})
    text = f"{asked.total():,} friend requests by {who} accounts, over a day's ceiling: "
    return _check(sum(max(0, more) for more in over), text)


def _ceilings(accounts: AccountSide, zone: ZoneInfo) -> dict[tuple[str, str], int]:
    """By account and day; the ceiling that a day began with is in force on it."""
    highest: dict[tuple[str, str], int] = {}
    for account, told in accounts.limits.items():
        before = 0
        for limits in told:
            day, ceiling = _day(limits["updated_at_ms"], zone), limits["daily_add_ceiling"]
            known = highest.get((account, day), before)
            highest[account, day] = max(known, ceiling)
            before = ceiling
    return highest


def _day(at_ms: int, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone).date().isoformat()


def paced(evidence: Evidence, pacing: Pacing) -> Check:
    """In no span of time did an account send more than rate x (time + burst) + 1.

    Time is that of the account's leave, the rate the one in force then. A message that the customer
    did not allow after all has cost its account nothing: its share is given back, once.
    """
    over = sent = 0
    for account in evidence.accounts.leaves:
        turns = _turns(evidence, account, pacing)
        sent += sum(turn.used for turn in turns)
        over += overflow(turns, pacing.burst_ms * US_PER_MS)
    text = f"{sent:,} broadcasts and posts, an account over rate × (time + burst) + 1: "
    return _check(over, text)


def _turns(evidence: Evidence, account: str, pacing: Pacing) -> list[Turn]:
    """The leaves of an account that its pace is for, oldest first; of a moment, the unused first:
    what was given back at once could be used in the same millisecond.
    """
    given = evidence.accounts.leaves[account]
    leaves = sorted(each for each in given if pacing.kinds >> each.kind & 1)
    used = {}
    for place, leave in enumerate(leaves):
        last = evidence.asks[leave.name].last
        if last and last["outcome"] == "approved" and leave.at_ms <= last["decided_at_ms"]:
            used[leave.name] = place
    turns = []
    for place, leave in enumerate(leaves):
        rate = _rate_per_s(evidence.accounts, account, leave.at_ms, pacing)
        interval_us = US_PER_S / rate if rate else None
        turns.append(Turn(leave.at_ms * US_PER_MS, used.get(leave.name) == place, interval_us))
    return sorted(turns, key=lambda turn: (turn.at_us, turn.used))


def _rate_per_s(accounts: AccountSide, account: str, at_ms: int, pacing: Pacing) -> float:
    """The rate of a moment; of one in which it changed, the faster."""
    rates = [
        pacing.new_per_s if limits is None else float(limits["broadcast_rate_per_s"])
        for limits in (accounts.before(account, at_ms), accounts.at(account, at_ms))
    ]
    return max(rates)


def overflow(turns: Iterable[Turn], burst_us: int) -> int:
    """How many turns are more than a bucket holds that leaks one microsecond in each."""
    over, level_us, now_us = 0, 0.0, 0
    given_back: list[float] = []
    for turn in turns:
        level_us, now_us = max(0.0, level_us - (turn.at_us - now_us)), turn.at_us
        if turn.interval_us is None:
            over += 1
            continue
        level_us += turn.interval_us
        while given_back and level_us > burst_us + turn.interval_us:
            level_us -= given_back.pop()
        if level_us > burst_us + turn.interval_us:
            level_us -= turn.interval_us
            over += 1
        elif not turn.used:
            given_back.append(turn.interval_us)
    return over


def complaints(evidence: Evidence, weights: Weights) -> Check:
    """Every complaint, block and opt-out is in its account's limits, each once."""
    accounts = evidence.accounts
    counts = Counter(hurt.what for told in accounts.hurts.values() for hurt in told)
    text = (
        f"{counts['complaint']} complaints, {counts['block']} blocks, {counts['opt_out']} opt-outs"
        " = what the accounts' limits say"
    )
    return Check(len(accounts.unsettled(weights)), text)


def _check(over: int, text: str) -> Check:
    return Check(over, f"{text}{over or 'nobody'}")
