"""From a policy document to a `Policy`, or to every mistake in it with its path.

`parse_policy` is the only door: plain JSON-like data in, frozen values out, never an exception for
what a document says. Reading files and topics is not done here (`files`, `publish`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from streams.core.kinds import KIND_NAMES, KIND_OF
from streams.core.policy import Policy
from streams.core.policy_versions import EVERYONE
from streams.policy import account_sections, customer_sections, throttle_sections
from streams.policy.faults import Fault, Parse, Refused, show
from streams.policy.notes import notes
from streams.policy.reader import (
    Field,
    Gathering,
    as_mapping,
    kind_list,
    kinds_or_group,
    record,
    step_of,
)
from streams.policy.values import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    choice,
    duration,
    either,
    identifier,
    instant_ms,
    text,
    time_zone,
    whole,
)
from streams.policy.windows import windows

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Fault", "notes", "parse_policy"]

_VALIDITY_MS: Final = {
    "direct": HOUR_MS,
    "broadcast": 24 * HOUR_MS,
    "moment": 24 * HOUR_MS,
    "friend_request": 24 * HOUR_MS,
    "reply": 48 * HOUR_MS,
    "transactional": 10 * MINUTE_MS,
    "transfer": 24 * HOUR_MS,
}
_DEADLINE_MS: Final = dict.fromkeys(KIND_NAMES, DAY_MS) | {"broadcast": 7 * DAY_MS}
_REMEMBER_MS: Final = 48 * HOUR_MS
_MAX_HELD: Final = 20

_MOST_HELD: Final = 150
"""What a customer's held intents may come to: the longest that the contract allows are 23 kB each,
and a ledger must fit into one record of its changelog, 4 MiB."""

_WHY_SO_FEW: Final = "for all that one customer's held intents are stored in one record of 4 MiB"

_LONGEST_MEMORY_MS: Final = 30 * DAY_MS
"""Every intent is remembered for each of its customers; producers retry for hours, not months."""

_LARGEST_VERSION: Final = 2**53 - 1
"""The largest whole number that every JSON reader keeps exactly."""

_NAME: Final = re.compile(r"[^\s\x00-\x1f\x7f](?:[^\x00-\x1f\x7f]{0,62}[^\s\x00-\x1f\x7f])?")
_GROUP: Final = re.compile(r"[a-z][a-z0-9_-]{0,63}")


def parse_policy(
    document: object,
    *,
    in_force: int | None = None,
) -> tuple[Policy | None, list[Fault]]:
    """The policy a document says, or `None` and all its faults.

    `in_force` is the version the document must be above, where there is one already.
    """
    try:
        return _document(_groups_of(document), in_force)(document), []
    except Refused as refused:
        return None, list(refused.faults)


def _document(groups: Mapping[str, int | None], in_force: int | None) -> Parse[Policy]:
    kinds = kinds_or_group(groups)
    # An empty list is a statement only here: consent is governed, and nobody has to be asked.
    consent = customer_sections.consent(kinds_or_group(groups, least=0))
    fields = _head(in_force) | _rules(kinds) | _accounts(kinds)
    return record(_policy, fields | {"consent": Field("ask_first", consent, None)})


def _policy(*, groups: object, **parts: Any) -> Policy:  # noqa: ARG001
    # The groups have done their work: every section has its own mask by now.
    return Policy(**parts)


def _head(in_force: int | None) -> dict[str, Field]:
    return {
        "policy": Field("name", text(_NAME, "1 to 64 printable characters")),
        "version": Field("version", _version(in_force)),
        "enterprise": Field("enterprise", either({EVERYONE: EVERYONE}, identifier)),
        "effective_at": Field("effective_at_ms", instant_ms, None),
        "time_zone": Field("time_zone", time_zone, "UTC"),
        "unknown_zone": Field(
            "unknown_zone_denies", choice({"default": False, "deny": True}), default=False
        ),
        "remember": Field("remember_ms", duration(most_ms=_LONGEST_MEMORY_MS), _REMEMBER_MS),
        "groups": Field("groups", _groups, None),
        "validity": Field(
            "validity_ms", customer_sections.by_kind(_VALIDITY_MS), _in_order(_VALIDITY_MS)
        ),
        "deadline": Field("deadline_ms", customer_sections.deadline(), _in_order(_DEADLINE_MS)),
        "max_held": Field("max_held", whole(1, _MOST_HELD, _WHY_SO_FEW), _MAX_HELD),
    }


def _rules(kinds: Parse[int]) -> dict[str, Field]:
    """The sections that govern contacts with a customer; what is left out is not governed."""
    return {
        "windows": Field("windows", windows(kinds), ()),
        "reply": Field("reply", customer_sections.reply(), None),
        "silence": Field("silence", customer_sections.silence(kinds), None),
        "quiet_hours": Field("quiet_hours", customer_sections.quiet_hours(kinds), None),
        "suppression": Field("suppression", customer_sections.suppression(kinds), None),
        "friends": Field("friends_required", customer_sections.friends(), None),
        "holdout": Field("holdout", customer_sections.holdout(kinds), None),
    }


def _accounts(kinds: Parse[int]) -> dict[str, Field]:
    """The sections that govern accounts and campaigns."""
    return {
        "reputation": Field("reputation", account_sections.reputation(), None),
        "ceilings": Field("ceilings", account_sections.ceilings(), None),
        "brake": Field("brake", throttle_sections.brake(kinds), None),
        "pacing": Field("pacing", throttle_sections.pacing(kinds), None),
        "canary": Field("canary", throttle_sections.canary(kinds), None),
    }


def _in_order(by_kind_ms: Mapping[str, int]) -> tuple[int, ...]:
    return tuple(by_kind_ms[name] for name in KIND_NAMES)


def _version(in_force: int | None) -> Parse[int]:
    positive = whole(1, _LARGEST_VERSION)

    def parse(value: object) -> int:
        version = positive(value)
        if in_force is not None and version <= in_force:
            raise Refused.because(f"{show(version)} is not above the one in force, {in_force}")
        return version

    return parse


def _groups(value: object) -> None:
    """Find the faults of `groups`; what the names stand for is in `_groups_of`."""
    gathering = Gathering()
    for name, kinds in as_mapping(value).items():
        with gathering.at(step_of(name)):
            _group(name, kinds)
    gathering.settle()


def _group(name: object, kinds: object) -> int:
    text(_GROUP, "a-z, then up to 63 of a-z 0-9 _ -")(name)
    if name in KIND_OF:
        raise Refused.because("is the name of a kind; a group needs a name of its own")
    return kind_list()(kinds)


def _groups_of(document: object) -> dict[str, int | None]:
    """What each group's name stands for; `None` where the group itself is broken."""
    groups = document.get("groups") if isinstance(document, dict) else None
    masks: dict[str, int | None] = {}
    for name, kinds in groups.items() if isinstance(groups, dict) else ():
        if isinstance(name, str):
            try:
                masks[name] = _group(name, kinds)
            except Refused:
                masks[name] = None
    return masks
