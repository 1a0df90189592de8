"""Where a record belongs: its key computed from its data, and that key's partition.

Rules of this file: a record is processed only in the partition of its own key, so that one place
counts all contacts of a customer. Records of producers with another partitioner than Java's
(librdkafka's default is CRC32), or without a key, are forwarded there.
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
"""Keys whose partition is cached: about 20 MB, most of the keys of a busy hour."""


class Router:
    """Knows the partition of each key."""

    def __init__(self, partitions: int) -> None:
        self.partitions = partitions
        self.partition: Callable[[bytes], int] = lru_cache(CACHED_KEYS)(
            lambda key: partition_for(key, partitions)
        )

    def is_misrouted(self, record: Record, key: bytes, state: State) -> bool:
        """Whether the record belongs to another partition. A key with state here belongs here."""
        if record.key != key:
            return True
        return key not in state and self.partition(key) != record.partition


def news_for(key: bytes, news: News, topics: Topics, router: Router) -> Output:
    """The output that brings news to an account, a campaign or an enterprise, by its key."""
    return topics.account_news, router.partition(key), key, encode_news(news)


def to_every_partition(topic: str, partitions: int, value: bytes) -> Iterator[Output]:
    """The same value for every partition of a topic."""
    for partition in range(partitions):
        yield topic, partition, None, value


def reroute(topics: Topics, router: Router, record: Record, key: bytes, state: State) -> Output:
    """The output that forwards a record to the partition of its own key."""
    state.counters["rerouted_total", topics.logical(record.topic)] += 1
    return record.topic, router.partition(key), key, record.value
