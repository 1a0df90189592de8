"""The `windows` of a policy file: one rule each, and what the rules say about each other.

A rule that could never decide anything is refused here, because its author believes otherwise.
Only what is provable from the file alone is refused; see `_covers`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import ConfigDict, Field, Strict, ValidationError, WrapValidator

from streams.core.policy import DAYS_IN_MONTH, Calendar, Scope, Window
from streams.policy.faults import Fault, show
from streams.policy.kinds import CAMPAIGN_KINDS, WINDOW_KINDS, Kinds, binds
from streams.policy.section import Section, Unwritten, default, faults_in, refusal
from streams.policy.values import Duration, choice, either, flag, text, whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pydantic import ValidationInfo, ValidatorFunctionWrapHandler

MOST_WINDOWS: Final = 64
"""Every one of them is asked at every decision; nobody explains more to an operator."""

MOST_IN_WINDOW: Final = 1_000
"""The exact log keeps a time stamp for each contact, so a limit is also a bound on its size."""

_SHORTEST_MONTH: Final = 28
_LONGEST_MONTH: Final = 31

_limit = either("days_in_month", DAYS_IN_MONTH, whole(1, MOST_IN_WINDOW))
_scope = choice({scope.name.lower(): scope for scope in Scope})
_calendar = choice({calendar.name.lower(): calendar for calendar in Calendar})

_FORM: Final[dict[str, Any]] = {
    "anyOf": [{"required": ["limit"]}, {"required": ["min_gap"]}],
    "dependentRequired": {key: ["limit"] for key in ("rolling", "calendar", "reserve")},
    "allOf": [
        {
            "if": {"required": ["limit"]},
            "then": {"oneOf": [{"required": ["rolling"]}, {"required": ["calendar"]}]},
        },
        {
            "if": {"required": ["limit"], "properties": {"limit": {"const": "days_in_month"}}},
            "then": {"required": ["calendar"], "properties": {"calendar": {"const": "month"}}},
        },
    ],
}
"""What the JSON Schema can say of `_bounded`."""


class Reserve(Section):
    """The last slots only for intents of at least this priority."""

    core = dict

    slots: Annotated[int, whole(1, MOST_IN_WINDOW)]
    # Priority 0 would keep the slots for everybody, which is no reserve.
    priority: Annotated[int, whole(1, 100)]


def _window(*, reserve: Mapping[str, int] | None, min_gap_ms: int | None, **parts: Any) -> Window:
    parts |= {f"reserve_{name}": value for name, value in (reserve or {}).items()}
    return Window(**parts, min_gap_ms=min_gap_ms or 0)


class Rule(Section):
    """One contact window."""

    model_config = ConfigDict(json_schema_extra=_FORM)
    core = _window

    id: Annotated[str, text(r"[a-z0-9-]{1,64}", "1 to 64 of a-z 0-9 -")] = Field(
        description="Named in `rule`, `remaining` and `shadow`."
    )
    kinds: Kinds
    scope: Annotated[Scope, _scope] = Field(
        description="Together with the customer: all accounts, this account, this campaign."
    )
    limit: Unwritten[Annotated[int, _limit]] = None
    rolling_ms: Unwritten[Duration] = Field(None, alias="rolling")
    calendar: Unwritten[Annotated[Calendar, _calendar]] = Field(
        None, description="A week begins on Monday."
    )
    min_gap_ms: Unwritten[Duration] = Field(
        None, alias="min_gap", description="Between any two contacts under the rule."
    )
    reserve: Unwritten[Reserve] = None
    shadow: Annotated[bool, flag] = default(
        written=False, description="Counted and reported; never decides."
    )

    def faults(self) -> Iterator[Fault]:
        yield from _bounded(self)
        yield from _binds(self)
        yield from _reserves(self)


def _bounded(rule: Rule) -> Iterator[Fault]:
    """A limit needs exactly one period; a period needs a limit."""
    periods = (rule.rolling_ms is not None) + (rule.calendar is not None)
    if rule.limit is None:
        yield from _gap_only(rule, periods)
    elif periods != 1:
        which = "not both" if periods else "neither is written"
        yield Fault("rolling", f"a limit needs either `rolling` or `calendar`; {which}")
    elif rule.limit == DAYS_IN_MONTH and rule.calendar is not Calendar.MONTH:
        yield Fault("limit", "`days_in_month` goes with `calendar: month` only")


def _gap_only(rule: Rule, periods: int) -> Iterator[Fault]:
    if periods:
        yield Fault("limit", "is missing; a period without a limit never binds")
    elif not rule.min_gap_ms:
        yield Fault("limit", "is missing; a rule needs a `limit` or a `min_gap`, or it never binds")


def _binds(rule: Rule) -> Iterator[Fault]:
    """The rule must meet at least one message that could carry it."""
    reply = "a reply is outside all windows; see `reply.credits`"
    outside = tuple(binds(rule, WINDOW_KINDS, reply))
    yield from outside
    if not outside and rule.scope is Scope.CAMPAIGN and not rule.kinds & CAMPAIGN_KINDS:
        yield Fault("scope", "never binds: only broadcast and moment belong to a campaign")


def _reserves(rule: Rule) -> Iterator[Fault]:
    if rule.reserve is None:
        return
    slots = rule.reserve.slots
    if rule.limit is None:
        yield Fault("reserve", "needs a `limit` whose slots it keeps")
    elif slots > _smallest(rule.limit):
        most = _smallest(rule.limit)
        yield Fault("reserve.slots", f"{show(slots)} is more than the limit, {most}")


# ---- the rules together ------------------------------------------------------------------------


def _together(
    value: Any,  # noqa: ANN401 - a list, once `read` took it
    read: ValidatorFunctionWrapHandler,
    info: ValidationInfo,
) -> list[Rule]:
    """A broken rule hides neither a double id nor that another rule never binds."""
    try:
        rules, faults = dict(enumerate(read(value))), []
    except ValidationError as error:
        if not all(line["loc"] for line in error.errors()):
            raise  # no list, or too long a one
        faults = faults_in(error)
        broken = {line["loc"][0] for line in error.errors()}
        rules = {
            index: Rule.model_validate(rule, context=info.context)
            for index, rule in enumerate(value)
            if index not in broken
        }
    windows = {index: rule.compiled() for index, rule in rules.items()}
    faults = [*_same_ids(value), *faults, *_idle_rules(windows)]
    if faults:
        raise refusal(faults)
    return list(rules.values())


Rules = Annotated[list[Rule], Strict(), Field(max_length=MOST_WINDOWS), WrapValidator(_together)]


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
