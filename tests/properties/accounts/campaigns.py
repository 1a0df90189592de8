"""Laws of campaigns: nobody before their stage, nothing while paused, and counts as they are."""

from __future__ import annotations

from collections import Counter, defaultdict
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from streams.topics import CAMPAIGN_STATUS, INTENTS, INTERACTIONS
from tests.properties.accounts.past import APPROVED
from tests.properties.accounts.ties import Ties
from tests.properties.accounts.units import share

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.properties.accounts.past import Entry, Past


def faults(past: Past) -> Iterator[str]:
    """Messages before their time, stages that go back, counts that are wrong."""
    asked = {entry.name: entry for entry in reversed(past.of(INTENTS))}
    for entry in past.of(*APPROVED):
        campaign = entry.data.get("campaign_id")
        sections = past.sections("canary", entry.moment)
        intent = asked[entry.data["intent_id"]]
        if campaign and sections and all(entry.data["kind"] in s["kinds"] for s in sections):
            key = f"{entry.data['enterprise_id']}/{campaign}"
            believed = _is_believed_small(past, intent, key, sections)
            yield from _too_soon(past, entry, key, sections, believed=believed)
    yield from _goes_back(past)
    yield from _miscounted(past)


def place_of(campaign: str, customer: str) -> float:
    """A customer's fixed place in [0, 1) of a campaign."""
    named = f"{campaign}/{customer}".encode()
    return int.from_bytes(blake2b(named, digest_size=8, person=b"canary").digest(), "big") / 2**64


def _is_believed_small(past: Past, intent: Entry, key: str, sections: list[dict[str, Any]]) -> bool:
    """Whether an intent was believed that its campaign is too small for stages: in the moment in
    which the campaign begins nobody knows better.
    """
    size = intent.data.get("campaign_size")
    if size is None or size >= min(section["from_size"] for section in sections):
        return False
    told = past.standing(CAMPAIGN_STATUS, key, intent.moment)
    return all(entry.moment == intent.moment for entry in told)


def _too_soon(
    past: Past, entry: Entry, key: str, sections: list[dict[str, Any]], *, believed: bool
) -> Iterator[str]:
    told = [e.data for e in past.standing(CAMPAIGN_STATUS, key, entry.moment) if e.data]
    said = f"{entry.key} {entry.data['kind']} of {key} at {entry.moment}"
    phases = {data["phase"] for data in told}
    if phases and not phases - {"paused", "killed"}:
        yield f"{said}, and the campaign is {phases}"
    first = share(max(sections[0]["steps"][0], sections[-1]["steps"][0]))
    released = max((data["released"] for data in told), default=first)
    place = place_of(entry.data["campaign_id"], entry.data["customer_id"])
    if place >= released and not believed:
        yield f"{said} to {entry.data['customer_id']} ({place:.2f}), and {released} is released"


def _goes_back(past: Past) -> Iterator[str]:
    last: dict[str, dict[str, Any]] = {}
    for entry in past.of(CAMPAIGN_STATUS):
        before = last.get(entry.key)
        if before and entry.data:
            # Full may have been no proof: it was small then, or nothing governed it.
            if entry.data["released"] < before["released"] < 1:
                yield f"{entry.key} goes back to {entry.data['released']} at {entry.moment}"
            if before["phase"] == "killed" != entry.data["phase"]:
                yield f"{entry.key} was killed and is {entry.data['phase']} at {entry.moment}"
        last[entry.key] = entry.data


def _miscounted(past: Past) -> Iterator[str]:
    """At each rest: approved and delivered of a campaign, and its size: no smaller than the largest
    that was named, and no larger than that or all who were asked for, each once an intent.
    """
    ties, sums, sizes = Ties(), Counter[tuple[str, str]](), Counter[str]()
    most, asked = Counter[str](), defaultdict[str, set[tuple[str, str]]](set)
    told: dict[str, dict[str, Any]] = {}
    rest = 0
    for entry in past.entries:
        if entry.moment[0] != rest:
            yield from _unlike(told, sums, sizes, rest)
            yield from _too_large(told, most, asked, rest)
            rest = entry.moment[0]
        if entry.topic == CAMPAIGN_STATUS:
            told[entry.key] = entry.data
        elif entry.topic in APPROVED:
            ties.approved(entry.data)
            sums[_key(entry.data), "approved"] += 1
        elif entry.topic == INTERACTIONS:
            message = ties.messages.get(entry.data.get("decision_id", ""))
            if ties.heard(entry) and entry.type == "delivered" and message:
                sums[_key(message), "delivered"] += 1
        elif entry.topic == INTENTS:
            key = _key(entry.data)
            asked[key] |= {(entry.name, customer) for customer in entry.data["customer_ids"]}
            most[key] = max(most[key], entry.data.get("campaign_size", 0))
            if (
                not past.sections("canary", entry.moment)
                or "not_before_ms" in entry.data
                or entry.data.get("deadline_ms", entry.at_ms) < entry.at_ms
            ):
                continue  # not for now: told when its time has come, if ever
            sizes[key] = max(sizes[key], entry.data.get("campaign_size", 0))


def _too_large(
    told: dict[str, dict[str, Any]],
    named: Counter[str],
    asked: dict[str, set[tuple[str, str]]],
    rest: int,
) -> Iterator[str]:
    for key, data in told.items():
        size, most = (data or {}).get("size") or 0, max(named[key], len(asked[key]))
        if size > most:
            yield f"{key}: size {size} is told, and no more than {most} were asked for, rest {rest}"


def _key(data: dict[str, Any]) -> str:
    return f"{data['enterprise_id']}/{data.get('campaign_id')}"


def _unlike(
    told: dict[str, dict[str, Any]],
    sums: Counter[tuple[str, str]],
    sizes: Counter[str],
    rest: int,
) -> Iterator[str]:
    for key, data in told.items():
        for what in ("approved", "delivered"):
            if data and data[what] != sums[key, what]:
                yield f"{key}: {what} {data[what]} is told, it is {sums[key, what]}, rest {rest}"
        if data and (data.get("size") or 0) < sizes[key]:
            yield f"{key}: size {data.get('size')} is told, {sizes[key]} was named, rest {rest}"
