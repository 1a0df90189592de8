"""What a policy leaves ungoverned, in words: nothing wrong, but its author should know.

Pure text for `policy check`; a note never refuses anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from streams.core.kinds import ALL_KINDS, names_in
from streams.core.policy import Scope
from streams.policy.kinds import CAMPAIGN_KINDS, CONSENTED, GOVERNABLE, WINDOW_KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.core.policy import Policy

_UNWRITTEN: Final = {
    "reply": ("reply", "replies need no message before them, and there may be any number"),
    "silence": ("silence", "customers who never answer are written to like all others"),
    "quiet_hours": (
        "quiet_hours",
        "messages go out at any hour, also in quiet hours that a customer told",
    ),
    "consent": (
        "ask_first",
        "no kind needs a consent before the first message; an opt-out binds all the same",
    ),
    "suppression": (
        "suppression",
        "a complaint silences nobody, nor does a block where `friends` is not written either",
    ),
    "friends": (
        "friends_required",
        "who never was a contact of the account, or removed it, is written to like the others",
    ),
    "holdout": ("holdout", "nobody is kept free of marketing for comparison"),
    "reputation": ("reputation", "accounts get no grade from their complaints"),
    "ceilings": ("ceilings", "relations and daily adds are not limited"),
    "brake": ("brake", "a burst of complaints pauses no account"),
    "pacing": ("pacing", "accounts send as fast as they can, under an operator's `brake` as well"),
    "canary": ("canary", "campaigns start for everybody at once, and complaints stop none"),
}


def notes(policy: Policy) -> list[str]:
    """One line for each section not written, kind without a limit, and kind that passes by."""
    return [*_sections(policy), *_kinds(policy), *_passing(policy)]


def _sections(policy: Policy) -> Iterator[str]:
    for section, (attribute, effect) in _UNWRITTEN.items():
        if getattr(policy, attribute) is None:
            yield f"{section}: not written; {effect}"


def _kinds(policy: Policy) -> Iterator[str]:
    limited = everywhere = 0
    for rule in policy.windows:
        if rule.limit is not None and not rule.shadow:
            limited |= rule.kinds
            everywhere |= rule.kinds if rule.scope is Scope.ENTERPRISE else 0
    for name in names_in(WINDOW_KINDS & ~limited):
        yield f"windows: no limit for {name}"
    for name in names_in(WINDOW_KINDS & limited & ~everywhere):
        yield f"windows: {name} has no limit of scope enterprise, over all accounts and campaigns"


def _passing(policy: Policy) -> Iterator[str]:
    """Kinds a section names although they pass it."""
    for index, rule in enumerate(policy.windows):
        yield from _without(f"windows[{index}]", rule.kinds, WINDOW_KINDS)
    for section in ("silence", "quiet_hours", "suppression", "holdout", "brake", "pacing"):
        written = getattr(policy, section)
        yield from _without(section, written.kinds if written else 0, GOVERNABLE)
    yield from _without("canary", policy.canary.kinds if policy.canary else 0, CAMPAIGN_KINDS)
    yield from _without("consent", policy.ask_first or 0, CONSENTED)


def _without(where: str, kinds: int, bindable: int) -> Iterator[str]:
    for name in names_in(kinds & ~bindable & ALL_KINDS):
        yield f"{where}: {name} passes it always"
