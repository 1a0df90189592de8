"""Whether one decision is what the rules demand of one past. Says what is wrong, or nothing.

Where several rules forbid a message, any of them may be the one that is named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.system.chaos.referee import bounds_of, earliest, ends_ms, noes, too_early, used

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.system.chaos.laws import Law
    from tests.system.chaos.referee import Ask, Bounds, Known


def fault_of(known: Known, ask: Ask, law: Law, said: dict[str, Any]) -> str | None:
    """Why the decision is not justified by this past; None when it is."""
    now_ms: int = said["decided_at_ms"]
    bounds = bounds_of(known, ask, law)
    why = said["reason"], said.get("rule")
    if why[0] == "too_many_held" and ask.name in known.held | known.left_queue():
        # Whether it has become legal, or too late, is asked only when it is looked at again.
        return _least_urgent(known, ask, law)
    if said["outcome"] == "expired":
        queued = said["stage"] == "account" and now_ms > _deadline_ms(known, ask, law)
        may = queued or _may_expire(known, ask, law, bounds, now_ms)
        return None if may else "its time is not over"
    if _is_over(known, ask, now_ms):
        return "its time is over"
    against = noes(known, ask, law, now_ms)
    if against:
        justified = said["outcome"] == "denied" and why in against
        return None if justified else f"{against} forbid it"
    if why[0] == "too_many_held":
        early = any(too_early(bounds, now_ms)) or _wants_leave(ask, law)
        return _least_urgent(known, ask, law) if early else "it is legal"
    judge = _JUDGES.get(said["outcome"])
    return judge(known, ask, law, bounds, said) if judge else f"{said['outcome']} is not judged"


def fault_of_account(
    ask: Ask, law: Law, said: dict[str, Any], *, paused: bool = False
) -> str | None:
    """Why an account's own word is not justified: what waits in its queue, and what will not."""
    binds = {
        "account_paused": paused and ask.kind in law.braked,
        "account_pacing": ask.kind in law.paced,
        "daily_add_quota": ask.kind == "friend_request" and law.daily_adds is not None,
    }
    if not binds.get(said["reason"], False):
        return "nothing of its account's is in its way"
    if (said["outcome"] == "denied") != ask.deny:
        return "it was asked otherwise what to do when it is too early"
    return None


def _wants_leave(ask: Ask, law: Law) -> bool:
    """Whether it came without the leave of its account, which found it not for now or too late, and
    is to ask for leave, for it is neither by the customer's clock.
    """
    return ask.unled_ms is not None and (ask.kind in law.paced or ask.kind == "friend_request")


def _deadline_ms(known: Known, ask: Ask, law: Law) -> int:
    waiting = known.waiting(ask.name)
    if waiting is not None:
        return waiting.deadline_ms
    return ends_ms(ask, law)


def _is_over(known: Known, ask: Ask, now_ms: int) -> bool:
    waiting = known.waiting(ask.name)
    deadline_ms = ask.deadline_ms if waiting is None else waiting.deadline_ms
    return deadline_ms is not None and now_ms > deadline_ms


def _may_expire(known: Known, ask: Ask, law: Law, bounds: Bounds, now_ms: int) -> bool:
    """Its deadline is over; or it came so late that it could not be held for a moment."""
    late = now_ms > ends_ms(ask, law)
    stillborn = ask.deadline_ms is None and late and ask.name not in known.held
    waits = any(too_early(bounds, now_ms)) or _wants_leave(ask, law)
    return _is_over(known, ask, now_ms) or (stillborn and waits)


def _least_urgent(known: Known, ask: Ask, law: Law) -> str | None:
    held = {name: waiting.ask for name, waiting in known.held.items()} | {ask.name: ask}
    if any(_urgency(other) < _urgency(ask) for other in held.values()):
        return "another is less urgent"
    # What its account has let go may be on its way still.
    came = {n: w.ask for n, w in known.left_queue().items() if _urgency(w.ask) >= _urgency(ask)}
    number = len(held | came)
    return f"only {number} are held" if number <= law.max_held else None


def _urgency(ask: Ask) -> tuple[int, int]:
    return ask.priority, -ask.accepted_ms


def _approved(known: Known, ask: Ask, law: Law, bounds: Bounds, said: dict[str, Any]) -> str | None:
    now_ms = said["decided_at_ms"]
    early = list(too_early(bounds, now_ms))
    if early:
        return f"{early} forbid it"
    ends = [now_ms + law.validity_ms[ask.kind]]
    ends += [ask.deadline_ms] if ask.deadline_ms is not None else []
    if ask.kind == "reply" and law.credits is not None:
        ends.append(known.credit_ms[ask.account] + law.within_ms - 1)
    if said["send_by_ms"] != min(ends):
        return f"it may be sent until {min(ends)}, not {said['send_by_ms']}"
    return _remaining(bounds, said, taken=1)


def _early(known: Known, ask: Ask, law: Law, bounds: Bounds, said: dict[str, Any]) -> str | None:
    now_ms = said["decided_at_ms"]
    early = list(too_early(bounds, now_ms))
    if said["reason"] == "account_pacing" and not early:
        return _asks_leave(ask, law, said)
    if (said["reason"], said.get("rule")) not in early:
        return f"only {early} forbid it"
    if (said["outcome"] == "denied") != ask.deny:
        return "it was asked otherwise what to do when it is too early"
    legal_ms = earliest(bounds, now_ms)
    if said.get("eligible_at_ms") != legal_ms:
        return f"it is legal from {legal_ms}, not {said.get('eligible_at_ms')}"
    return _remaining(bounds, said, taken=0)


def _asks_leave(ask: Ask, law: Law, said: dict[str, Any]) -> str | None:
    """Leave of a paced kind may also be good no more: whether it was is not judged."""
    if _wants_leave(ask, law) and (said["outcome"] == "denied") == ask.deny:
        return None
    return fault_of_account(ask, law, said)


def _remaining(bounds: Bounds, said: dict[str, Any], taken: int) -> str | None:
    now_ms = said["decided_at_ms"]
    left = {
        rule.id: max(0, rule.limit - used(rule, contacts, now_ms) - taken)
        for rule, contacts in bounds.times
        if rule.limit is not None
    }
    found = said.get("remaining", {})
    return None if found == left else f"{left} remain, not {found}"


_JUDGES: dict[str, Callable[[Known, Ask, Law, Bounds, dict[str, Any]], str | None]] = {
    "approved": _approved,
    "deferred": _early,
    "denied": _early,
}
