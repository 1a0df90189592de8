"""The accounts' and campaigns' part of the demo's end: who might do what, who was stopped and why.

Rules of this file: as in `summary`: evidence in, lines out; every number is counted from the
evidence.
"""

from __future__ import annotations

from collections import Counter
from math import ceil
from typing import TYPE_CHECKING, Any, Final

from streams.core.campaign_book import is_staged
from streams.demo.day import HOUR_MS, MIDNIGHT, local
from streams.demo.timing import brake_delays

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from streams.core.policy import Policy
    from streams.demo.account_side import AccountSide
    from streams.demo.evidence import Evidence

FIRST_DAY_ENDS_MS: Final = int(MIDNIGHT.timestamp() * 1000) + 24 * HOUR_MS
OTHERS_SHOWN: Final = 2
AT_CEILING: Final = "account_ceiling"
NO_MORE_TODAY: Final = "daily_add_quota"
PAUSED: Final = "account_paused"
WECOM_SAYS: Final = {AT_CEILING: " (WeCom's error 40099)"}


def accounts(evidence: Evidence) -> Iterator[str]:
    """How a handful of accounts stand at the end, and why they are shown."""
    side = evidence.accounts
    yield (
        f"{'account':<11}{'grade':<7}{'contacts':>14}{'asked Fri':>11}{'delivered':>11}"
        f"{'complaints':>12}  {'rate (bounds)':<22}"
    )
    shown = dict(_notable(evidence))
    for account, why in shown.items():
        yield _account(side, account) + why
    others = [limits for name, limits in side.latest.items() if name not in shown]
    grades = Counter(limits["grade"] for limits in others)
    told = ", ".join(f"{count} {grade}" for grade, count in grades.most_common())
    rates = [limits.get("complaint_rate") or 0.0 for limits in others]
    yield f"{len(others)} others: {told}; at most {max(rates, default=0):.2%} complain of one of them"
    if side.enterprise:
        held, allowed = side.enterprise["relations"], side.enterprise.get("relations_allowed")
        yield f"together {held:,} contacts" + (f", {allowed:,} are allowed" if allowed else "")


def _notable(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """Accounts worth a line, and why."""
    side = evidence.accounts
    for change in _pauses(side):
        until = "for good" if change["after"] is None else f"to {local(change['after'])[4:]}"
        yield change["account_id"], f"paused {local(change['changed_at_ms'])} {until}"
    for reason in (AT_CEILING, NO_MORE_TODAY):
        met = Counter(
            decision["account_id"]
            for ask in evidence.asks.values()
            for decision in ask.decisions[:1]
            if decision["reason"] == reason
        )
        for account, count in met.most_common(1):
            yield account, f"{count} × {reason}"
    special = {change["account_id"] for change in _pauses(side)}
    busiest = sorted(side.latest.values(), key=lambda limits: -(limits.get("delivered") or 0))
    rest = [limits["account_id"] for limits in busiest if limits["account_id"] not in special]
    yield from ((account, "the busiest of the rest") for account in rest[:1])


def _account(side: AccountSide, account: str) -> str:
    limits = side.latest[account]
    asked = side.at(account, FIRST_DAY_ENDS_MS - 1) or limits
    contacts = _of(limits["relations"], limits.get("relations_ceiling"))
    adds = _of(asked["adds_today"], asked.get("daily_add_ceiling"))
    return (
        f"{account:<11}{limits['grade']:<7}{contacts:>14}{adds:>11}"
        f"{limits.get('delivered') or 0:>11,}{limits.get('complaints') or 0:>12.1f}"
        f"  {_rate(limits):<22}"
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
        stands = status["phase"], status["released"]
        if stands != before:
            share = f"{status['released']:.0%}"
            what = share if status["phase"] in {"canary", "full"} else status["phase"]
            course.append(f"{what} {local(status['updated_at_ms'])}")
        before = stands
    return ", ".join(course)


def brake(evidence: Evidence, policy: Policy) -> Iterator[str]:
    """Who was stopped, at which complaint, what waited for it, and how soon limits follow."""
    for change in _pauses(evidence.accounts):
        yield from _stopped_account(evidence, change)
    for name, told in evidence.accounts.campaigns.items():
        stop = next((status for status in told if status["phase"] == "paused"), None)
        if stop is not None:
            yield _stopped_campaign(evidence, name, stop)
    if policy.reputation is not None:
        yield from _measured(evidence, policy)


def _stopped_account(evidence: Evidence, change: dict[str, Any]) -> Iterator[str]:
    account, at_ms = change["account_id"], change["changed_at_ms"]
    until = "for good" if change["after"] is None else f"until {local(change['after'])}"
    yield (
        f"{local(at_ms)} {account} paused {until}: {change['complaints']:g} complaints"
        f" on {change['delivered']:,} messages"
    )
    waited = [
        ask.last["outcome"]
        for ask in evidence.asks.values()
        if any(d["reason"] == PAUSED and d["account_id"] == account for d in ask.decisions)
        and ask.last
    ]
    ends = Counter(waited)
    yield (
        f"{'':<10}{len(waited):,} messages met the pause: {ends['approved']:,} sent after it, "
        f"{ends['deferred']:,} wait, {ends['expired']:,} came too late, {ends['denied']:,} refused"
    )
    for other in evidence.accounts.changes:
        if other["account_id"] == account and other["what"] != "pause":
            yield (
                f"{local(other['changed_at_ms'])} {account} {other['what'].replace('_', ' ')}"
                f" {other['before']} → {other['after']}"
            )


def _stopped_campaign(evidence: Evidence, name: str, stop: dict[str, Any]) -> str:
    spared = sum(
        bool(ask.last) and ask.last["campaign_id"] == name and ask.last["outcome"] == "cancelled"
        for ask in evidence.asks.values()
        if ask.last and "campaign_id" in ask.last
    )
    return (
        f"{local(stop['updated_at_ms'])} {name} stopped at {stop['released']:.0%}: "
        f"{stop['approved']:,} of {stop.get('size') or 0:,} were sent it; {spared:,} never will be"
    )


def _measured(evidence: Evidence, policy: Policy) -> Iterator[str]:
    usual, down = brake_delays(evidence.accounts, policy)
    if usual:
        yield (
            f"complaint on its topic → limit readable by a client, real time, {len(usual)} complaints"
            f": p50 {_seconds(usual, 0.5)}, p99 {_seconds(usual, 0.99)}"
        )
    if down:
        yield (
            f"{len(down)} more came while the worker was dead, and waited for it: "
            f"at most {_seconds(down, 1)}"
        )


def _seconds(delays_ms: Sequence[int], share: float) -> str:
    ranked = sorted(delays_ms)
    return f"{ranked[max(0, ceil(share * len(ranked)) - 1)] / 1000:.2f} s"


def _pauses(side: AccountSide) -> list[dict[str, Any]]:
    return [c for c in side.changes if c["what"] == "pause" and c["reason"] == "burst"]
