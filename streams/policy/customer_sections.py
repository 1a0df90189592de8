"""The sections that govern contacts with a customer. What a section is: `section`.

The defaults are the policy document's own, and no others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

from pydantic import AfterValidator, Field
from typing_extensions import TypeAliasType

from streams.core import policy
from streams.core.kinds import KIND_NAMES
from streams.core.local_calendar import DAY_MS
from streams.policy.faults import Fault, Refused
from streams.policy.kinds import CONSENTED, Kinds, KindsOrNone, binds_marketing
from streams.policy.section import Section, Unwritten, default
from streams.policy.values import (
    Duration,
    duration,
    either,
    flag,
    number,
    share,
    time_of_day,
    whole,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


_TEN_YEARS_MS: Final = 3_650 * DAY_MS
"""The longest suppression with an end; what should last longer is `forever`."""

TimeOfDay = TypeAliasType("TimeOfDay", Annotated[int, time_of_day])
Suppressed = TypeAliasType(
    "Suppressed",
    Annotated[int, either("forever", policy.FOREVER, duration(least_ms=0, most_ms=_TEN_YEARS_MS))],
)


def _by_kind(**lengths_ms: int) -> tuple[int, ...]:
    return tuple(lengths_ms[name] for name in KIND_NAMES)


class Validity(Section):
    """How long an approved message may be sent."""

    core = _by_kind

    direct: Duration = default("1h")
    broadcast: Duration = default("24h")
    moment: Duration = default("24h")
    friend_request: Duration = default("24h")
    reply: Duration = default("48h")
    transactional: Duration = default("10m")
    transfer: Duration = default("24h")


def _or_default(*, default_ms: int, **lengths_ms: int | None) -> tuple[int, ...]:
    return tuple(lengths_ms[name] or default_ms for name in KIND_NAMES)


class Deadline(Section):
    """How long an intent that brings no deadline is held, from its acceptance or, where that is
    later, its `not_before_ms`.
    """

    core = _or_default

    default_ms: Duration = Field(alias="default")
    direct: Unwritten[Duration] = None
    broadcast: Unwritten[Duration] = None
    moment: Unwritten[Duration] = None
    friend_request: Unwritten[Duration] = None
    reply: Unwritten[Duration] = None
    transactional: Unwritten[Duration] = None
    transfer: Unwritten[Duration] = None


class Reply(Section):
    """Credits that a customer's message opens, per customer and account."""

    core = policy.Reply

    credits: Annotated[int, whole(1, 1_000)]
    within_ms: Duration = Field(alias="within")


class Silence(Section):
    """The growing gap towards a customer who does not answer."""

    core = policy.Silence

    kinds: Kinds
    ignored: Annotated[int, whole(1, 1_000)]
    first_ms: Duration = Field(alias="first")
    # Below 1 the gap would shrink while the customer stays silent.
    factor: Annotated[float, number(1, 100)]
    longest_ms: Duration = Field(alias="longest")

    def faults(self) -> Iterator[Fault]:
        yield from binds_marketing(self)
        if self.first_ms > self.longest_ms:
            yield Fault("first", "is longer than `longest`")


class QuietHours(Section):
    """[from, to), over midnight where `from` is later than `to`."""

    core = policy.QuietHours

    kinds: Kinds
    from_ms: TimeOfDay = Field(alias="from")
    to_ms: TimeOfDay = Field(alias="to")

    def faults(self) -> Iterator[Fault]:
        yield from binds_marketing(self)
        if self.from_ms == self.to_ms:
            yield Fault("to", "is the same as `from`: that is the whole day or none of it")


def _asking(kinds: int) -> int:
    if kinds and not kinds & CONSENTED:
        raise Refused("never binds: reply and transfer are free of consent")
    return kinds


def _only(*, value: object) -> object:
    return value


class Consent(Section):
    """The kinds that need a consent before the first message. An opt-out binds every kind, with
    this section or without it.
    """

    core = _only

    # An empty list is a statement only here: consent is governed, and nobody has to be asked.
    value: Annotated[KindsOrNone, AfterValidator(_asking)] = Field(alias="ask_first")


class Suppression(Section):
    """How long a complaint or a block silences its account, and the whole enterprise."""

    core = policy.Suppression

    kinds: Kinds
    account_ms: Suppressed = Field(alias="account")
    enterprise_ms: Suppressed = Field(alias="enterprise")

    def faults(self) -> Iterator[Fault]:
        yield from binds_marketing(self)
        if self.account_ms == self.enterprise_ms == 0:
            yield Fault(
                "account", "never binds: neither the account nor the enterprise is silenced"
            )


class Friends(Section):
    """Whether unknown pairs of account and customer are refused."""

    core = _only

    value: Annotated[bool, flag] = Field(alias="required")


class Holdout(Section):
    """A stable share of customers kept free of these kinds."""

    core = policy.Holdout

    # All customers would be no measurement.
    share: Annotated[float, share(zero=True)]
    kinds: Kinds

    def faults(self) -> Iterator[Fault]:
        yield from binds_marketing(self)
