"""From a policy document to a `Policy`, or to every mistake in it with its path.

`parse_policy` is the only door: plain JSON-like data in, frozen values out, never an exception for
what a document says. Reading files and topics is not done here (`files`, `publish`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import AfterValidator, ConfigDict, Field, ValidationError

from streams.core.local_calendar import DAY_MS
from streams.core.policy import Policy
from streams.core.policy_versions import EVERYONE
from streams.policy.account_sections import Ceilings, Reputation
from streams.policy.customer_sections import (
    Consent,
    Deadline,
    Friends,
    Holdout,
    QuietHours,
    Reply,
    Silence,
    Suppression,
    Validity,
)
from streams.policy.faults import Fault, Refused, show
from streams.policy.kinds import Context, Groups, groups_of
from streams.policy.section import Section, Unwritten, default, faults_in
from streams.policy.throttle_sections import Brake, Canary, Pacing
from streams.policy.values import (
    choice,
    duration,
    either,
    identifier,
    instant,
    text,
    whole,
    zone,
)
from streams.policy.windows import Rules

if TYPE_CHECKING:
    from pydantic import ValidationInfo

_MOST_HELD: Final = 150
"""What a customer's held intents may come to: the longest that the contract allows are 23 kB each,
and a ledger must fit into one record of its changelog, 4 MiB."""

_WHY_SO_FEW: Final = "for all that one customer's held intents are stored in one record of 4 MiB"

_LONGEST_MEMORY_MS: Final = 30 * DAY_MS
"""Every intent is remembered for each of its customers; producers retry for hours, not months."""

_LARGEST_VERSION: Final = 2**53 - 1
"""The largest whole number that every JSON reader keeps exactly."""

_NAME: Final = r"[^\s\x00-\x1f\x7f](?:[^\x00-\x1f\x7f]{0,62}[^\s\x00-\x1f\x7f])?"


def _above_the_one_in_force(version: int, info: ValidationInfo[Context]) -> int:
    in_force = info.context.in_force
    if in_force is not None and version <= in_force:
        raise Refused(f"{show(version)} is not above the one in force, {in_force}")
    return version


def _policy(*, groups: object, **parts: Any) -> Policy:  # noqa: ARG001
    # The groups have done their work: every section has its own mask by now.
    return Policy(**parts)


class Document(Section):
    """Everything that is governed for one enterprise. What is not written is not governed; only a
    customer's no binds all the same. This schema knows the form; `decorum policy check` knows what
    contradicts itself or never binds as well.
    """

    model_config = ConfigDict(title="A Decorum policy")
    core = _policy

    name: Annotated[str, text(_NAME, "1 to 64 printable characters")] = Field(
        alias="policy", description="Name, shown in every decision."
    )
    version: Annotated[int, whole(1, _LARGEST_VERSION), AfterValidator(_above_the_one_in_force)] = (
        Field(description="Grows with every publication.")
    )
    enterprise: Annotated[str, either(EVERYONE, EVERYONE, identifier)] = Field(
        description="Whom it governs; * is everyone without a policy of their own."
    )
    effective_at_ms: Annotated[int | None, instant] = Field(
        None, alias="effective_at", description="RFC 3339; at once when left out."
    )
    time_zone: Annotated[str, zone] = default(
        "UTC", description="IANA name; calendar days and quiet hours."
    )
    unknown_zone_denies: Annotated[bool, choice({"default": False, "deny": True})] = default(
        "default",
        alias="unknown_zone",
        description="When a customer's zone is unknown: the policy's own, or deny.",
    )
    remember_ms: Annotated[int, duration(most_ms=_LONGEST_MEMORY_MS)] = default(
        "48h",
        alias="remember",
        description="How long a repeated intent is known as a duplicate; at most 30d.",
    )
    groups: Groups = default({}, description="Names for lists of kinds.")
    validity_ms: Validity = default({}, alias="validity")
    deadline_ms: Deadline = default({"default": "24h", "broadcast": "7d"}, alias="deadline")
    max_held: Annotated[int, whole(1, _MOST_HELD, _WHY_SO_FEW)] = default(
        20,
        description="Held intents a customer. They are stored in one record of 4 MiB, and the "
        "longest intents are 23 kB each.",
    )

    # What is left out is not governed: first what governs contacts with a customer, …
    windows: Rules = default([], description="All are checked, and all must allow.")
    reply: Unwritten[Reply] = None
    silence: Unwritten[Silence] = None
    quiet_hours: Unwritten[QuietHours] = None
    suppression: Unwritten[Suppression] = None
    friends_required: Unwritten[Friends] = Field(None, alias="friends")
    holdout: Unwritten[Holdout] = None
    # … then what governs accounts and campaigns.
    reputation: Unwritten[Reputation] = None
    ceilings: Unwritten[Ceilings] = None
    brake: Unwritten[Brake] = None
    pacing: Unwritten[Pacing] = None
    canary: Unwritten[Canary] = None
    ask_first: Unwritten[Consent] = Field(None, alias="consent")


def parse_policy(
    document: object,
    *,
    in_force: int | None = None,
) -> tuple[Policy | None, list[Fault]]:
    """The policy a document says, or `None` and all its faults.

    `in_force` is the version the document must be above, where there is one already.
    """
    context = Context(groups_of(document), in_force)
    try:
        return Document.model_validate(document, context=context).compiled(), []
    except ValidationError as error:
        return None, [fault for fault in faults_in(error) if fault.message]
