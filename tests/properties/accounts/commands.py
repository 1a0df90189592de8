"""Laws of orders: nothing is sent that an operator, a brake or an account's status forbids."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Any

from streams.topics import ACCOUNT_LIMITS, CONTROLS, INTERACTIONS
from tests.properties.accounts.past import APPROVED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.properties.accounts.past import Entry, Past


DISTURBING = frozenset({"direct", "broadcast", "moment", "friend_request"})


def faults(past: Past) -> Iterator[str]:
    """Messages that should have waited."""
    commands = Commands(past)
    for entry in past.of(*APPROVED):
        said = f"{entry.key} {entry.data['kind']} to {entry.data['customer_id']} at {entry.moment}"
        if commands.over(entry, "pause"):
            yield f"{said}, under a pause"
        if _stopped(past, entry):
            yield f"{said}, and the account is stopped"
    yield from _forbidden(past)


class Commands:
    """The operators' controls that were surely known at each rest."""

    def __init__(self, past: Past) -> None:
        self._given = past.of(CONTROLS)
        self._rests = [entry.moment[0] for entry in self._given]

    def over(self, entry: Entry, action: str) -> list[str]:
        """The scopes of the controls of this kind over a message that were before its rest."""
        known = bisect_left(self._rests, entry.moment[0])
        if known < len(self._rests) and self._rests[known] == entry.moment[0]:
            return []
        held: dict[str, dict[str, Any]] = {}
        for given in self._given[:known]:
            held[given.data["scope"]] = given.data
        over = held.keys() & _scopes(entry.data)
        return [
            scope
            for scope in sorted(over)
            if held[scope]["action"] == action
            and held[scope].get("until_ms", 1 << 62) > entry.at_ms
        ]


def _scopes(data: dict[str, Any]) -> set[str]:
    enterprise = data["enterprise_id"]
    named = {f"{enterprise}/{what}/{data.get(f'{what}_id')}" for what in ("account", "campaign")}
    return {"*", enterprise, f"{enterprise}/kind/{data['kind']}", *named}


def _stopped(past: Past, entry: Entry) -> bool:
    """Whether all that is told of the account says that it may not send this."""
    told = past.standing(ACCOUNT_LIMITS, entry.key, entry.moment)
    grades = {limits.data["grade"] for limits in told}
    # Of whom nothing was told before this moment was not stopped when it began.
    if not told or told[0].moment == entry.moment or grades - {"paused", "off"}:
        return False
    sections = past.sections("brake", entry.moment)
    braked = bool(sections) and all(entry.data["kind"] in s["kinds"] for s in sections)
    return braked or (grades == {"off"} and entry.data["kind"] in DISTURBING)


def _forbidden(past: Past) -> Iterator[str]:
    """Messages of accounts that are suspended or gone."""
    words: dict[str, list[Entry]] = {}
    for entry in past.of(INTERACTIONS, *APPROVED):
        if entry.type == "account_status":
            words.setdefault(entry.key, []).append(entry)
        elif entry.topic in APPROVED:
            word = _word(words.get(entry.key, ()), entry)
            if word == "suspended" or (word == "resigned" and entry.data["kind"] != "transfer"):
                yield f"{entry.key} is {word} and sends {entry.data['kind']} at {entry.moment}"


def _word(told: Any, entry: Entry) -> str | None:
    known = [t for t in told if t.moment < entry.moment]
    if len(known) < len(told):
        return None
    rank = ["active", "reinstated", "suspended", "resigned"].index
    words = [(t.data["occurred_at_ms"], rank(t.data["status"]), t.data["status"]) for t in known]
    return max(words)[2] if words else None
