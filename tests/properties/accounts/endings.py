"""Laws of endings: every intent × customer ends exactly once, and in the end nothing waits."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, Final

from streams.topics import CAMPAIGN_STATUS, DECISIONS, INTENTS, INTERACTIONS
from tests.properties.accounts.past import APPROVED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.flows.world import DriverWorld
    from tests.properties.accounts.past import Entry, Past

_Ask = tuple[str, str]
"""Intent and customer."""

_BOOKKEEPING: Final = (b"balance", b"generation")


def faults(past: Past) -> Iterator[str]:
    """What has not ended, or more than once; for a past that was drained."""
    asked: Counter[_Ask] = Counter()
    for entry in past.of(INTENTS):
        asked.update((entry.name, customer) for customer in entry.data["customer_ids"])
    said: dict[_Ask, list[Entry]] = defaultdict(list)
    for entry in past.of(DECISIONS):
        said[entry.data["intent_id"], entry.data["customer_id"]].append(entry)
    erased = {e.data["customer_id"] for e in past.of(INTERACTIONS) if e.type == "erase"}
    yield from (f"{ask}: decided, and never asked" for ask in said.keys() - asked.keys())
    for ask, times in asked.items():
        for fault in _faults(said[ask], times, once=ask[1] not in erased):
            yield f"{ask}: {fault}: {[_short(entry.data) for entry in said[ask]]}"
    yield from _unlike(past)
    names = Counter(entry.name for entry in past.of(DECISIONS))
    yield from (f"{n} decisions have the id {name}" for name, n in names.items() if n > 1)


def _faults(said: list[Entry], times: int, *, once: bool) -> Iterator[str]:
    ends = [e.data for e in said if e.data["outcome"] != "deferred"]
    first = [data for data in ends if data["outcome"] != "duplicate"]
    if len(ends) != times:
        yield f"asked {times} times, ended {len(ends)} times"
    if len(first) != 1 and once:  # whoever is forgotten cannot be known again
        yield f"{len(first)} answers"
    after = said[said.index(next(e for e in said if e.data is first[0])) + 1 :] if first else said
    if once and any(e.data["outcome"] != "duplicate" for e in after):
        yield "something else than `duplicate` after its end"
    if said and said[-1].data["outcome"] == "deferred":
        yield "deferred after its end"


def waiting(past: Past) -> Iterator[str]:
    """What is still deferred: for a past in which nothing was in the way in the end."""
    last: dict[_Ask, dict[str, Any]] = {}
    for entry in past.of(DECISIONS):
        last[entry.data["intent_id"], entry.data["customer_id"]] = entry.data
    later = {
        entry.name
        for entry in past.of(INTENTS)
        if entry.data.get("not_before_ms", 0) > past.rests[-1][1] - 1
    }
    for ask, data in last.items():
        if data["outcome"] == "deferred" and ask[0] not in later:
            yield f"{ask} waits for nothing: {_short(data)}"


def _unlike(past: Past) -> Iterator[str]:
    """Approved messages are the approved decisions, one to one."""
    decided = Counter(
        e.data["decision_id"] for e in past.of(DECISIONS) if e.data["outcome"] == "approved"
    )
    sent = Counter(entry.name for entry in past.of(*APPROVED))
    if decided != sent:
        yield f"approved by one topic only: {(decided - sent) + (sent - decided)}"


def left_over(world: DriverWorld) -> Iterator[str]:
    """What the states still hold of a world that was drained: queues and timers must be empty."""
    for stage in ("account", "customer"):
        for number in range(world.partitions):
            state = world.driver.state(stage, number)
            where = f"{stage} {number}"
            yield from (f"{where}: timer {name!r}" for name in state.timer_names())
            yield from (f"{where}: {key!r}" for key in state if key.startswith(b"/slice/"))
    told = {record.key: record.value for record in world.read(CAMPAIGN_STATUS)}
    yield from (f"campaign {key!r} is remembered" for key, value in told.items() if value)


def _short(data: dict[str, Any]) -> str:
    words = [data["outcome"], data["reason"], data.get("rule"), data["stage"]]
    return " ".join(word for word in words if word)
