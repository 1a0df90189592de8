"""The sections that govern contacts with a customer.

Each is a table: key, argument of the section's type, parser, default. A key without a default must
be written when its section is. The defaults are the policy document's own, and no others. What is
contradictory within a section stands in a check beside its table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from streams.core.kinds import ALL_KINDS, KIND_NAMES, Kind, mask_of
from streams.core.policy import (
    FOREVER,
    Holdout,
    QuietHours,
    Reply,
    Silence,
    Suppression,
)
from streams.policy.faults import Fault, Parse, Refused
from streams.policy.reader import Check, Field, record
from streams.policy.values import (
    DAY_MS,
    duration,
    either,
    flag,
    number,
    share,
    time_of_day_ms,
    whole,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

T = TypeVar("T")

_TEN_YEARS_MS: Final = 3_650 * DAY_MS
"""The longest suppression with an end; what should last longer is `forever`."""

GOVERNABLE: Final = ALL_KINDS & ~mask_of([Kind.REPLY, Kind.TRANSACTIONAL, Kind.TRANSFER])
"""The kinds that marketing's sections can bind; the three others pass them all."""

CONSENTED: Final = GOVERNABLE | mask_of([Kind.TRANSACTIONAL])
"""The kinds that consent can bind."""


NEVER_MARKETING: Final = "reply, transactional and transfer pass it"
_MANY: Final = 1_000


class _WithKinds(Protocol):
    @property
    def kinds(self) -> int: ...


def binds(mask: int, why: str) -> Check[_WithKinds]:
    """Refuse a section none of whose kinds it could ever bind; a part of them is only noted."""

    def check(section: _WithKinds) -> Iterator[Fault]:
        if not section.kinds & mask:
            yield Fault("kinds", f"never binds: {why}")

    return check


binds_marketing = binds(GOVERNABLE, NEVER_MARKETING)


def _alone(*, value: T) -> T:
    """A section of one key is its value."""
    return value


def by_kind(defaults_ms: Mapping[str, int]) -> Parse[tuple[int, ...]]:
    """Durations by kind; those not written are the defaults."""
    fields = {name: Field(name, duration(), defaults_ms[name]) for name in KIND_NAMES}
    return record(lambda **found: tuple(found[name] for name in KIND_NAMES), fields)


def deadline() -> Parse[tuple[int, ...]]:
    """Durations by kind; those not written are the section's own `default`."""
    fields = {name: Field(name, duration(), None) for name in KIND_NAMES}
    return record(_deadlines, {"default": Field("default_ms", duration()), **fields})


def _deadlines(*, default_ms: int, **found: int | None) -> tuple[int, ...]:
    return tuple(found[name] or default_ms for name in KIND_NAMES)


def reply() -> Parse[Reply]:
    """Credits that a customer's message opens."""
    return record(
        Reply,
        {"credits": Field("credits", whole(1, _MANY)), "within": Field("within_ms", duration())},
    )


def silence(kinds: Parse[int]) -> Parse[Silence]:
    """The growing gap towards a customer who does not answer."""
    return record(
        Silence,
        {
            "kinds": Field("kinds", kinds),
            "ignored": Field("ignored", whole(1, _MANY)),
            "first": Field("first_ms", duration()),
            # Below 1 the gap would shrink while the customer stays silent.
            "factor": Field("factor", number(1, 100)),
            "longest": Field("longest_ms", duration()),
        },
        binds_marketing,
        _silence_grows,
    )


def _silence_grows(section: Silence) -> Iterator[Fault]:
    if section.first_ms > section.longest_ms:
        yield Fault("first", "is longer than `longest`")


def quiet_hours(kinds: Parse[int]) -> Parse[QuietHours]:
    """The hours of a day in which nothing is sent."""
    return record(
        QuietHours,
        {
            "kinds": Field("kinds", kinds),
            "from": Field("from_ms", time_of_day_ms),
            "to": Field("to_ms", time_of_day_ms),
        },
        binds_marketing,
        _some_of_the_day,
    )


def _some_of_the_day(section: QuietHours) -> Iterator[Fault]:
    if section.from_ms == section.to_ms:
        yield Fault("to", "is the same as `from`: that is the whole day or none of it")


def consent(kinds: Parse[int]) -> Parse[int]:
    """The kinds that need a consent before the first message; there may be none."""
    return record(_alone, {"ask_first": Field("value", _asking(kinds))})


def _asking(kinds: Parse[int]) -> Parse[int]:
    def parse(value: object) -> int:
        mask = kinds(value)
        if mask and not mask & CONSENTED:
            raise Refused.because("never binds: reply and transfer are free of consent")
        return mask

    return parse


def suppression(kinds: Parse[int]) -> Parse[Suppression]:
    """How long a complaint or block silences its account, and the enterprise."""
    length = either({"forever": FOREVER}, duration(least_ms=0, most_ms=_TEN_YEARS_MS))
    return record(
        Suppression,
        {
            "kinds": Field("kinds", kinds),
            "account": Field("account_ms", length),
            "enterprise": Field("enterprise_ms", length),
        },
        binds_marketing,
        _suppresses,
    )


def _suppresses(section: Suppression) -> Iterator[Fault]:
    if section.account_ms == section.enterprise_ms == 0:
        yield Fault("account", "never binds: neither the account nor the enterprise is silenced")


def friends() -> Parse[bool]:
    """Whether unknown pairs of account and customer are refused."""
    return record(_alone, {"required": Field("value", flag)})


def holdout(kinds: Parse[int]) -> Parse[Holdout]:
    """The share of customers kept free of marketing; all of them would be no measurement."""
    fields = {"share": Field("share", share(zero=True)), "kinds": Field("kinds", kinds)}
    return record(Holdout, fields, binds_marketing)
