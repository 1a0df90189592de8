"""The `windows` of a policy file: one rule each, and what the rules say about each other.

A rule that could never decide anything is refused here, because its author believes otherwise.
Only what is provable from the file alone is refused; see `_covers`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from streams.core.kinds import ALL_KINDS, Kind, mask_of
from streams.core.policy import DAYS_IN_MONTH, Calendar, Scope, Window
from streams.policy.faults import Fault, Parse, show
from streams.policy.reader import Field, Gathering, as_list, record
from streams.policy.values import choice, duration, either, flag, text, whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MOST_WINDOWS: Final = 64
"""Every one of them is asked at every decision; nobody explains more to an operator."""

MOST_IN_WINDOW: Final = 1_000
"""The exact log keeps a time stamp for each contact, so a limit is also a bound on its size."""

WINDOW_KINDS: Final = ALL_KINDS & ~mask_of([Kind.REPLY])
"""A reply is outside all windows: its credit alone limits it."""

CAMPAIGN_KINDS: Final = mask_of([Kind.BROADCAST, Kind.MOMENT])
"""Only these carry a `campaign_id` (the contract's intents)."""

_SHORTEST_MONTH: Final = 28
_LONGEST_MONTH: Final = 31
_RULE_ID: Final = re.compile(r"[a-z0-9-]{1,64}")


class _Reserve(NamedTuple):
    slots: int = 0
    priority: int = 0


def windows(kinds: Parse[int]) -> Parse[tuple[Window, ...]]:
    """A parser of the whole list."""
    one = record(_window, _fields(kinds), _bounded, _binds, _reserves)

    def parse(value: object) -> tuple[Window, ...]:
        rules = as_list(value, least=0, most=MOST_WINDOWS)
        gathering = Gathering(_same_ids(rules))
        parsed: dict[int, Window] = {}
        for index, rule in enumerate(rules):
            with gathering.at(index):
                parsed[index] = one(rule)
        gathering.add(_idle_rules(parsed))
        gathering.settle()
        return tuple(parsed.values())

    return parse


def _fields(kinds: Parse[int]) -> dict[str, Field]:
    return {
        "id": Field("id", text(_RULE_ID, "1 to 64 of a-z 0-9 -")),
        "kinds": Field("kinds", kinds),
        "scope": Field("scope", choice({scope.name.lower(): scope for scope in Scope})),
        "limit": Field(
            "limit", either({"days_in_month": DAYS_IN_MONTH}, whole(1, MOST_IN_WINDOW)), None
        ),
        "rolling": Field("rolling_ms", duration(), None),
        "calendar": Field("calendar", choice({name.name.lower(): name for name in Calendar}), None),
        "min_gap": Field("min_gap_ms", duration(), 0),
        "reserve": Field("reserve", _reserve(), _Reserve()),
        "shadow": Field("shadow", flag, default=False),
    }


def _reserve() -> Parse[_Reserve]:
    # Priority 0 would keep the slots for everybody, which is no reserve.
    slots = Field("slots", whole(1, MOST_IN_WINDOW))
    return record(_Reserve, {"slots": slots, "priority": Field("priority", whole(1, 100))})


def _window(*, reserve: _Reserve, **parts: object) -> Window:
    return Window(
        **parts,  # type: ignore[arg-type] # the table of fields names exactly Window's
        reserve_slots=reserve.slots,
        reserve_priority=reserve.priority,
    )


def _bounded(rule: Window) -> Iterator[Fault]:
    """A limit needs exactly one period; a period needs a limit."""
    periods = (rule.rolling_ms is not None) + (rule.calendar is not None)
    if rule.limit is None:
        yield from _gap_only(rule, periods)
    elif periods != 1:
        which = "not both" if periods else "neither is written"
        yield Fault("rolling", f"a limit needs either `rolling` or `calendar`; {which}")
    elif rule.limit == DAYS_IN_MONTH and rule.calendar is not Calendar.MONTH:
        yield Fault("limit", "`days_in_month` goes with `calendar: month` only")


def _gap_only(rule: Window, periods: int) -> Iterator[Fault]:
    if periods:
        yield Fault("limit", "is missing; a period without a limit never binds")
    elif not rule.min_gap_ms:
        yield Fault("limit", "is missing; a rule needs a `limit` or a `min_gap`, or it never binds")


def _binds(rule: Window) -> Iterator[Fault]:
    """The rule must meet at least one message that could carry it."""
    if not rule.kinds & WINDOW_KINDS:
        yield Fault("kinds", "never binds: a reply is outside all windows; see `reply.credits`")
    elif rule.scope is Scope.CAMPAIGN and not rule.kinds & CAMPAIGN_KINDS:
        yield Fault("scope", "never binds: only broadcast and moment belong to a campaign")


def _reserves(rule: Window) -> Iterator[Fault]:
    if not rule.reserve_slots:
        return
    if rule.limit is None:
        yield Fault("reserve", "needs a `limit` whose slots it keeps")
    elif rule.reserve_slots > _smallest(rule.limit):
        most = _smallest(rule.limit)
        yield Fault("reserve.slots", f"{show(rule.reserve_slots)} is more than the limit, {most}")


def _same_ids(rules: Iterable[object]) -> Iterator[Fault]:
    first: dict[str, int] = {}
    for index, rule in enumerate(rules):
        name = rule.get("id") if isinstance(rule, dict) else None
        if isinstance(name, str) and first.setdefault(name, index) != index:
            yield Fault(
                f"[{index}].id", f"{show(name)} is the id of windows[{first[name]}] already"
            )


def _idle_rules(rules: dict[int, Window]) -> Iterator[Fault]:
    """Rules that another one always reaches first. Of two equal ones the later is named."""
    for index, rule in rules.items():
        for other_index, other in rules.items():
            equals = _covers(rule, other) and index < other_index
            if other_index != index and _covers(other, rule) and not equals:
                yield Fault(f"[{index}]", f"never binds: `{other.id}` always denies first")
                break


def _covers(other: Window, rule: Window) -> bool:
    """Whether, at every moment at which `other` allows a message of `rule`'s, `rule` allows it too.

    The proof is by inclusion: same scope, at least the same kinds, at least the same stretch of
    time. Then what counts under `rule` is a part of what counts under `other`, whatever was sent
    and however late it was delivered, and the larger limit cannot be reached first. Nothing that
    rests on contacts having kept to the rules is concluded (one a day does not prove seven a week:
    a late delivery counts on another day), nor anything across scopes: an account's rule under a
    like one of the enterprise is how platforms write theirs, and each is reported by itself.
    """
    return (
        not other.shadow
        and not rule.shadow
        and other.scope is rule.scope
        and rule.kinds & ~other.kinds == 0
        and rule.min_gap_ms <= other.min_gap_ms
        and (rule.limit is None or (_period_covers(other, rule) and _limit_covers(other, rule)))
    )


def _period_covers(other: Window, rule: Window) -> bool:
    if other.rolling_ms is not None and rule.rolling_ms is not None:
        return other.rolling_ms >= rule.rolling_ms
    if other.calendar is None or rule.calendar is None:
        return False
    # A day lies inside one week and one month; a week may lie in two months.
    return rule.calendar in (other.calendar, Calendar.DAY)


def _limit_covers(other: Window, rule: Window) -> bool:
    """Slots of `rule` kept for the urgent lower its limit for the rest, so they are taken off."""
    if other.limit is None or rule.limit is None:
        return False
    if other.limit == rule.limit == DAYS_IN_MONTH:
        return rule.reserve_slots == 0
    return _largest(other.limit) <= _smallest(rule.limit) - rule.reserve_slots


def _smallest(limit: int) -> int:
    return _SHORTEST_MONTH if limit == DAYS_IN_MONTH else limit


def _largest(limit: int) -> int:
    return _LONGEST_MONTH if limit == DAYS_IN_MONTH else limit
