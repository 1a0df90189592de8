"""Every ask's chain of words: one answer, one end, and approved messages as they were decided."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import orjson

from streams.topics import TOPICS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.system.chaos.accounts import Decided
    from tests.system.chaos.asks import AskKey
    from tests.system.chaos.evidence import Evidence, Seen

FINAL: Final = {"approved", "denied", "held_out", "expired", "cancelled"}
ASK_LEAVE: Final = {"broadcast", "moment", "friend_request"}
"""Kinds of which one that waits for its account's leave has no word yet, when it is repeated."""
APPROVED: Final = [t.name for t in TOPICS if t.name.startswith("approved.")]

Fault = tuple[str, str]
"""A kind of finding, and the sentence."""


def faults_of_chain(
    key: AskKey, asked: int, said: list[tuple[Seen, dict[str, Any]]]
) -> Iterator[Fault]:
    """What is missing or too much of what was said of an ask that was made so often."""
    words = [data["outcome"] for _, data in said]
    if not asked:
        yield "invented", f"{key} was decided and never asked"
        return
    if not words:
        yield "lost", f"{key} was asked and never decided"
        return
    repeats, own = words.count("duplicate"), [word for word in words if word != "duplicate"]
    too_soon = words[0] == "duplicate" and said[0][1]["kind"] not in ASK_LEAVE
    if too_soon or not own or repeats != asked - 1:
        yield "doubled" if repeats > asked - 1 else "lost", f"{key} asked {asked}×: {words}"
    finals = [word for word in own if word in FINAL]
    if len(finals) > 1 or (finals and own[-1] not in FINAL):
        yield "doubled", f"{key} got more than one last word: {words}"
    if len({data["decision_id"] for _, data in said}) != 1:
        yield "doubled", f"{key} has more than one decision id"


def unlike(evidence: Evidence, decided: Decided) -> Iterator[Fault]:
    """Where approved messages and approved decisions are not one to one: half a transaction."""
    promised = Counter(
        (f"approved.{data['kind'].replace('_', '-')}", *_promise(data))
        for said in decided.values()
        for _, data in said
        if data["outcome"] == "approved"
    )
    found = Counter(
        (topic, *_promise(orjson.loads(record.value or b"{}")["data"]))
        for topic in APPROVED
        for record in evidence.topics[topic]
    )
    yield from (("torn", f"approved and not sent on: {p}") for p in promised - found)
    yield from (("torn", f"sent on and not approved: {p}") for p in found - promised)


def _promise(data: dict[str, Any]) -> tuple[Any, ...]:
    """What a decision and its message must say alike."""
    names = ("decision_id", "intent_id", "enterprise_id", "account_id", "customer_id", "kind")
    return *(data[name] for name in names), data["decided_at_ms"], data["send_by_ms"]
