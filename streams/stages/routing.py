"""Where a record belongs: its key computed from its data, and that key's partition.

Rules of this file: a record is worked on only where its own key would have put it. Producers whose
partitioner differs from Java's (librdkafka's default is CRC32), or who set no key, are forwarded,
so that one customer's contacts are always counted in one place.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from streams.events.internal import encode_news
from streams.runtime.partitioner import partition_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from streams.events.internal import News
    from streams.runtime.records import Output, Record
    from streams.runtime.state import State
    from streams.topics import Topics

CACHED_KEYS: Final = 100_000
"""Keys whose partition is remembered: about 20 MB, and most records' keys in a busy hour."""


class Router:
    """Partitions of keys, and records that stand elsewhere."""

    def __init__(self, partitions: int) -> None:
        self.partitions = partitions
        self.partition: Callable[[bytes], int] = lru_cache(CACHED_KEYS)(
            lambda key: partition_for(key, partitions)
        )

    def is_misrouted(self, record: Record, key: bytes, state: State) -> bool:
        """Whether the record must be forwarded. A key with state here is known to belong here."""
        if record.key != key:
            return True
        return key not in state and self.partition(key) != record.partition


def news_for(key: bytes, news: News, topics: Topics, router: Router) -> Output:
    """News for the account, campaign or enterprise whose key this is."""
    return topics.account_news, router.partition(key), key, encode_news(news)


def to_every_partition(topic: str, partitions: int, value: bytes) -> Iterator[Output]:
    """One value to every partition of a topic: each may hold somebody whom it concerns."""
    for partition in range(partitions):
        yield topic, partition, None, value


def reroute(topics: Topics, router: Router, record: Record, key: bytes, state: State) -> Output:
    """The output that puts a stray where it belongs, under its own key."""
    state.counters["rerouted_total", topics.logical(record.topic)] += 1
    return record.topic, router.partition(key), key, record.value
