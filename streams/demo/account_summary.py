"""The accounts' and campaigns' part of the demo's end: who might do what, who was stopped and why.

Rules of this file: as in `summary`: evidence in, lines out; every number is counted from the
evidence.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from math import ceil
from typing import TYPE_CHECKING, Any, Final

from streams.core.campaign_state import is_staged
from streams.demo.day import at, local
from streams.demo.timing import brake_delays

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from streams.core.policy import Policy
    from streams.demo.account_side import AccountSide
    from streams.demo.evidence import Evidence

FIRST_DAY_ENDS_MS: Final = at(timedelta(hours=24))
AT_CEILING: Final = "account_ceiling"
NO_MORE_TODAY: Final = "daily_add_quota"
PAUSED: Final = "account_paused"


def accounts(evidence: Evidence) -> Iterator[str]:
    """How a handful of accounts stand at the end, and why they are shown."""
    side = evidence.accounts
    yield (
        f"{'account':<10}{'grade':<6}{'contacts':>13}{'asked Fri':>10}{'delivered':>10}"
        f"{'complaints':>11}  {'rate (bounds)':<22} why it is shown"
    )
    shown = dict(_notable(evidence))
    for account, why in shown.items():
        yield _account(side, account) + why
    others = [limits for name, limits in side.latest.items() if name not in shown]
    grades = Counter(limits["grade"] for limits in others)
    told = ", ".join(f"{count} {grade}" for grade, count in grades.most_common())
    rates = [limits.get("complaint_rate") or 0.0 for limits in others]
    yield f"{len(others)} others: {told}; of the worst complain {max(rates, default=0):.2%}"
    if side.enterprise:
        held, allowed = side.enterprise["relations"], side.enterprise.get("relations_allowed")
        yield f"together {held:,} contacts" + (f", {allowed:,} are allowed" if allowed else "")


def _notable(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """Accounts worth a line, and why."""
    side, special = evidence.accounts, set()
    for change in _pauses(side):
        special.add(change["account_id"])
        until = "for good" if change["after"] is None else f"to {local(change['after'])[4:]}"
        yield change["account_id"], f"paused {local(change['changed_at_ms'])} {until}"
    for reason in (AT_CEILING, NO_MORE_TODAY):
        met = Counter(
            decision["account_id"]
            for request in evidence.asks.values()
            for decision in request.decisions[:1]
            if decision["reason"] == reason
        )
        for account, count in met.most_common(1):
            special.add(account)
            yield account, f"{count} × {reason}"
    busiest = sorted(side.latest.values(), key=lambda limits: -(limits.get("delivered") or 0))
    rest = [limits["account_id"] for limits in busiest if limits["account_id"] not in special]
    yield from ((account, "the busiest of the rest") for account in rest[:1])


def _account(side: AccountSide, account: str) -> str:
    limits = side.latest[account]
    asked = side.at(account, FIRST_DAY_ENDS_MS - 1) or limits
    contacts = _of(limits["relations"], limits.get("relations_ceiling"))
    adds = _of(asked["adds_today"], asked.get("daily_add_ceiling"))
    return (
        f"{account:<10}{limits['grade']:<6}{contacts:>13}{adds:>10}"
        f"{limits.get('delivered') or 0:>10,}{limits.get('complaints') or 0:>11.1f}"
        f"  {_rate(limits):<22} "
    )


def _of(count: int, ceiling: int | None) -> str:
    return f"{count:,}" if ceiling is None else f"{count:,} / {ceiling:,}"


def _rate(data: dict[str, Any]) -> str:
    if data.get("complaint_rate") is None or data.get("complaint_rate_low") is None:
        return "–"
    low, high = data["complaint_rate_low"], data["complaint_rate_high"]
    return f"{data['complaint_rate']:.2%} ({low:.2%}–{high:.2%})"


def campaigns(evidence: Evidence, policy: Policy) -> Iterator[str]:
    """Each campaign that went by stages or was stopped, step by step; the others in one line."""
    yield (
        f"{'campaign':<11}{'audience':>9} {'phase':<8}{'released':>9}{'sent':>8}{'complaints':>12}"
        "  rate (bounds), and what was released when"
    )
    canary, small = policy.canary, []
    for name, told in sorted(evidence.accounts.campaigns.items()):
        last = told[-1]
        staged = canary is not None and is_staged(canary, last.get("size"))
        if not staged and last["phase"] == "full":
            small.append(last)
            continue
        yield (
            f"{name:<11}{last.get('size') or 0:>9,} {last['phase']:<8}{last['released']:>9.0%}"
            f"{last['approved']:>8,}{last['complaints']:>12.1f}  {_rate(last)}"
        )
        yield f"{'':<11}{_course(told)}"
    sent, hurt = sum(c["approved"] for c in small), sum(c["complaints"] for c in small)
    yield f"{len(small)} smaller ones went out at once: {sent:,} sent, {hurt:.1f} complaints"


def _course(told: Iterable[dict[str, Any]]) -> str:
    """`1% Fri 08:30, 5% 09:30 …`: each phase and share, and when it began."""
    course, before = [], ("", 0.0)
    for status in told:
        usages = status["phase"], status["released"]
        if usages != before:
            share = f"{status['released']:.0%}"
            what = share if status["phase"] in {"canary", "full"} else status["phase"]
            course.append(f"{what} {local(status['updated_at_ms'])}")
        before = usages
    return ", ".join(course)


def brake(evidence: Evidence, policy: Policy) -> Iterator[str]:
    """Who was stopped, at which complaint, what waited for it, and how soon limits follow."""
    stops = [told for change in _pauses(evidence.accounts) for told in _stopped(evidence, change)]
    for name, told in evidence.accounts.campaigns.items():
        stop = next((status for status in told if status["phase"] == "paused"), None)
        if stop is not None:
            stops.append((stop["updated_at_ms"], _stopped_campaign(evidence, name, told[-1])))
    yield from (f"{local(at_ms)} {text}" for at_ms, text in sorted(stops))
    if not stops:
        yield "nobody had to be stopped"
    if policy.reputation is not None:
        yield from _measured(evidence, policy)


def _stopped(evidence: Evidence, pause: dict[str, Any]) -> Iterator[tuple[int, str]]:
    """A paused account: the pause, what waited for its end, and what else was taken from it."""
    account, side = pause["account_id"], evidence.accounts
    until = "for good" if pause["after"] is None else f"until {local(pause['after'])}"
    hurt = f"{pause['complaints']:g} complaints on {pause['delivered']:,} messages"
    yield pause["changed_at_ms"], f"{account} paused {until}: {hurt}"
    for what in ("grade", "relations_ceiling", "daily_add_ceiling"):
        for change in side.changes_of(account, what):
            if change["after"] != "amber":
                moved = f"{what.replace('_', ' ')} {change['before']} → {change['after']}"
                yield change["changed_at_ms"], f"{account} {moved}"
    over = next((c for c in side.changes_of(account, "pause") if c["reason"] == "pause_over"), None)
    if over is not None:
        yield over["changed_at_ms"], f"{account} goes on: {_met(evidence, account)}"


def _met(evidence: Evidence, account: str) -> str:
    ends = Counter(
        request.last["outcome"]
        for request in evidence.asks.values()
        if any(d["reason"] == PAUSED and d["account_id"] == account for d in request.decisions)
        and request.last
    )
    return (
        f"of {ends.total():,} messages that met the pause {ends['approved']:,} were sent after it"
    )


def _stopped_campaign(evidence: Evidence, name: str, last: dict[str, Any]) -> str:
    ends = (request.last for request in evidence.asks.values() if request.last)
    spared = sum((e.get("campaign_id"), e["outcome"]) == (name, "cancelled") for e in ends)
    return (
        f"{name} stopped at {last['released']:.0%}: "
        f"{last['approved']:,} of {last.get('size') or 0:,} were sent it; {spared:,} never will be"
    )


def _measured(evidence: Evidence, policy: Policy) -> Iterator[str]:
    usual, down = brake_delays(evidence.accounts, policy)
    if usual:
        yield (
            f"complaint on the topic → limit readable by a client, in real time: "
            f"p50 {_seconds(usual, 0.5)}, p99 {_seconds(usual, 0.99)}, of {len(usual)}"
        )
    if down:
        yield f"{len(down)} more while the worker was dead: at most {_seconds(down, 1)}"


def _seconds(delays_ms: Sequence[int], share: float) -> str:
    ranked = sorted(delays_ms)
    return f"{ranked[max(0, ceil(share * len(ranked)) - 1)] / 1000:.2f} s"


def _pauses(side: AccountSide) -> list[dict[str, Any]]:
    return [c for c in side.changes if c["what"] == "pause" and c["reason"] == "burst"]
