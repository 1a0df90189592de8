"""What the runtime is tested with: toy stages, and doubles of everything around them.

A toy's outputs tell by themselves whether anything was lost, doubled or reordered.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiokafka import ConsumerRecord

from streams.runtime.partitioner import partition_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from streams.runtime.records import Output, Record
    from streams.runtime.state import DueTimer, State


GROUP = "toys"
"""The consumer group of workers that run toy stages."""


@dataclass(frozen=True)
class Settings:
    """The settings that the runtime reads."""

    bootstrap: str
    prefix: str
    instance: str | None = None

    def client_options(self) -> dict[str, Any]:
        return {"bootstrap_servers": self.bootstrap}


class Silent:
    """An observer that keeps nothing."""

    def committed(self, *_: object, **__: object) -> None:
        """Nobody looks."""

    def was_in_doubt(self, *_: object, **__: object) -> None:
        """Nobody looks."""


def arrived(
    topic: str,
    offset: int,
    timestamp: int = 0,
    *,
    partition: int = 0,
    value: bytes = b"",
    size: int = 10,
) -> ConsumerRecord[bytes, bytes]:
    """A record as a consumer hands it over; `size` is that of the value as it is told."""
    return ConsumerRecord(topic, partition, offset, timestamp, 0, b"k", value, None, 1, size, ())


@dataclass(frozen=True)
class Count:
    """Numbers the records of each key: output `key -> number:value`, numbers without a gap."""

    name: str = "count"
    sources: tuple[str, ...] = ("in",)
    changelog: str = "count-state"
    output: str = "out"
    tally: bool = True

    def on_records(
        self, partition: int, records: Iterable[Record], state: State, now_ms: int
    ) -> Iterator[Output]:
        """One output a record."""
        for record in records:
            key, value = record.key or b"", record.value or b"tombstone"
            if value == b"break":
                raise ValueError("told to break")
            number = int(state.get(key) or 0) + 1
            state.put(key, b"%d" % number)
            yield self.output, None, key, b"%d:%b" % (number, value)
            if self.tally:
                state.counters["records", record.topic] += 1

    def on_timers(
        self, partition: int, due: Sequence[DueTimer], state: State, now_ms: int
    ) -> Iterable[Output]:
        """It sets no timers."""
        return ()


@dataclass(frozen=True)
class Relay:
    """Passes records on to the partition of their value's first word."""

    partitions: int
    name: str = "relay"
    sources: tuple[str, ...] = ("first",)
    changelog: str = "relay-state"
    output: str = "in"

    def on_records(
        self, partition: int, records: Iterable[Record], state: State, now_ms: int
    ) -> Iterator[Output]:
        """The new key is the value up to its first space."""
        for record in records:
            value = record.value or b""
            key = value.split(b" ", 1)[0]
            yield self.output, partition_for(key, self.partitions), key, value

    def on_timers(
        self, partition: int, due: Sequence[DueTimer], state: State, now_ms: int
    ) -> Iterable[Output]:
        """It sets no timers."""
        return ()


@dataclass
class Alarm:
    """Sets a timer from each record (`due_ms name`, or `-due_ms name` to cancel); tells firings.

    `frugal`: it leaves timers to the next batch when the budget is spent.
    """

    name: str = "alarm"
    sources: tuple[str, ...] = ("alarms",)
    changelog: str = "alarm-state"
    output: str = "rung"
    repeat_ms: int = 0
    frugal: bool = False
    seen: list[int] = field(default_factory=list)

    def on_records(
        self, partition: int, records: Iterable[Record], state: State, now_ms: int
    ) -> Iterator[Output]:
        """Set or cancel; no output of its own but `handled`."""
        for record in records:
            due, name = (record.value or b"").split(b" ", 1)
            if due.startswith(b"-"):
                state.cancel_timer(int(due[1:]), name)
            else:
                state.set_timer(int(due), name, b"payload of " + name)
            yield self.output, None, name, b"handled at %d" % now_ms

    def on_timers(
        self, partition: int, due: Sequence[DueTimer], state: State, now_ms: int
    ) -> Iterator[Output]:
        """One output a timer; sets it again if it repeats."""
        self.seen.append(len(due))
        for timer in due:
            if self.frugal and state.budget.is_spent():
                state.put_back(timer)
                continue
            if self.repeat_ms:
                state.set_timer(timer.due_ms + self.repeat_ms, timer.name)
            yield self.output, None, timer.name, b"due %d fired %d" % (timer.due_ms, now_ms)


@dataclass
class Slow:
    """Outputs each letter of a record: as many in a batch as the budget allows, at least one."""

    name: str = "slow"
    sources: tuple[str, ...] = ("words",)
    changelog: str = "slow-state"
    output: str = "letters"

    def on_records(
        self, partition: int, records: Iterable[Record], state: State, now_ms: int
    ) -> list[Output]:
        """The state keeps how many letters of the current word are out."""
        outputs = state.budget.collect()
        for record in records:
            word, done = record.value or b"", int(state.get(b"done") or 0)
            for at in range(done, len(word)):
                if at > done and not state.budget.has_room():
                    state.put(b"done", b"%d" % at)
                    state.budget.unfinished = True
                    break
                outputs.append((self.output, None, record.key, word[at : at + 1]))
            else:
                state.delete(b"done")
        return outputs

    def on_timers(
        self, partition: int, due: Sequence[DueTimer], state: State, now_ms: int
    ) -> Iterable[Output]:
        """It sets no timers."""
        return ()
