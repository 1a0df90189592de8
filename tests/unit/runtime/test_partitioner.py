from __future__ import annotations

import random

import pytest
from aiokafka.partitioner import murmur2 as aiokafkas

from streams.runtime.partitioner import murmur2, partition_for


@pytest.mark.parametrize(
    ("key", "signed"),
    # org.apache.kafka.common.utils.UtilsTest#testMurmur2
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_javas_own_vectors(key: bytes, signed: int) -> None:
    assert murmur2(key) == signed & 0x7FFFFFFF


def test_agrees_with_aiokafka_for_every_length() -> None:
    source = random.Random(7)
    for length in range(300):
        key = source.randbytes(length)
        assert murmur2(key) == aiokafkas(key) & 0x7FFFFFFF


def test_partition_is_the_remainder() -> None:
    assert partition_for(b"abc", 8) == 479470107 % 8
    assert {partition_for(b"%d" % n, 8) for n in range(100)} == set(range(8))
    assert partition_for(b"anything", 1) == 0
