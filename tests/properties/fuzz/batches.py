"""Batches of records with anything wrong in them, and what reading them must never do.

The broker's log takes more than sane producers write. `thrown` makes such batches by the dozen, for
a broker as well; the target reads them without one, as a worker's consumer would.
"""

from __future__ import annotations

from random import Random
from typing import Final, NamedTuple

from hypothesis import strategies as st

from streams.runtime.failure import StartRefusedError
from streams.runtime.records import Unreadable
from tests.properties.fuzz.target import Target
from tests.support.fetched import fetch, log_of
from tests.support.rawlog import CODECS, Raw, batch, pack, records

SANE: Final = 0.3
"""The share of batches with nothing wrong in them."""
TIMES: Final = (-1, -2, 0, 2**62, -(2**62), 253_402_300_800_000)
NUMBERS: Final = (-(2**31), -2, -1, 0, 1, 2, 2**31 - 1)


class Thrown(NamedTuple):
    """A batch, and whether all in it is as it should be."""

    data: bytes
    held: int
    is_sane: bool


def thrown(random: Random, items: list[Raw]) -> Thrown:
    """These records in a batch, with one to three things wrong, or none."""
    codec = random.choice(list(CODECS))
    if random.random() < SANE:
        packed = pack(codec, records(*items))
        data = batch(packed, len(items), attributes=CODECS[codec])
        return Thrown(data, len(items), is_sane=True)
    return Thrown(_spoilt(random, items, codec), len(items), is_sane=False)


def _spoilt(random: Random, items: list[Raw], codec: str) -> bytes:
    faults = random.choices(range(8), k=random.randint(1, 3))
    if 0 in faults:
        items = [_spoilt_record(random, item) for item in items]
    body = records(*items)
    if 1 in faults:
        body = _flipped(random, body)
    if 2 in faults:
        codec = random.choice(list(CODECS))
    packed = pack(codec, body)
    if 3 in faults:
        packed = _flipped(random, packed)
    if 4 in faults:
        packed = packed[: random.randrange(len(packed))] + random.randbytes(random.randrange(4))
    attributes = CODECS[codec]
    if 5 in faults:
        attributes ^= 1 << random.choice((0, 1, 2, 6, 7, 9, 14))
    times = (random.choice(TIMES), random.choice(TIMES)) if 6 in faults else (None, None)
    return batch(
        packed,
        len(items),
        attributes=attributes,
        last_delta=random.choice(NUMBERS) if faults == [7] else None,
        first_ms=times[0],
        max_ms=times[1],
    )


def _spoilt_record(random: Random, item: Raw) -> Raw:
    match random.randrange(6):
        case 0:
            return item._replace(headers=random.randbytes(random.randrange(12)))
        case 1:
            return item._replace(offset_delta=random.choice(NUMBERS))
        case 2:
            return item._replace(passed_ms=random.choice(TIMES))
        case 3:
            return item._replace(length=random.choice((*NUMBERS, 100)))
        case 4:
            return item._replace(value=None)
    return item._replace(attributes=random.randrange(256))


def _flipped(random: Random, data: bytes) -> bytes:
    found = bytearray(data)
    for _ in range(random.randint(1, 4)):
        found[random.randrange(len(found))] = random.randrange(256)
    return bytes(found)


# ---- without a broker --------------------------------------------------------------------------


def _every_offset_once(seed: int) -> None:
    """Whatever is spoilt, every offset of the log is a record or broken, once, and in its order."""
    random = Random(seed)
    batches = _batches(random)
    log, end = log_of(one.data for one in batches), sum(one.held for one in batches)
    found, position = fetch(log)
    assert position == end
    covered: list[int] = []
    for record in found:
        first = record.first_offset if isinstance(record, Unreadable) else record.offset
        covered += range(first, record.offset + 1)
    assert covered == list(range(end))
    read = {record.offset: record for record in found if not isinstance(record, Unreadable)}
    _sane_ones_are_read(batches, read)


def _batches(random: Random) -> list[Thrown]:
    """As a broker takes them: it looks at how many records there are and say to be."""
    found = []
    for number in range(random.randint(1, 6)):
        items = [Raw(b"%d-%d" % (number, n), b"k") for n in range(random.randint(1, 5))]
        one = thrown(random, items)
        if int.from_bytes(one.data[23:27], "big", signed=True) == one.held - 1:
            found.append(one)
    return found


def _sane_ones_are_read(batches: list[Thrown], read: dict[int, object]) -> None:
    offset = 0
    for one in batches:
        if one.is_sane:
            assert all(at in read for at in range(offset, offset + one.held))
        offset += one.held


def _torn(seed: int) -> None:
    """A log that the disk has damaged anywhere: read, or given up with a word, and never twice."""
    random = Random(seed)
    log = log_of(one.data for one in _batches(random))
    try:
        found, _ = fetch(_flipped(random, log or bytes(99)))
    except StartRefusedError:
        return
    offsets = [record.offset for record in found]
    assert offsets == sorted(set(offsets))


_seeds: Final = st.integers(0, 2**32)
BATCHES: Final = (
    Target("batches", _seeds, _every_offset_once),
    Target("torn logs", _seeds, _torn),
)
