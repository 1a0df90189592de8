"""What is made of a batch of records, whatever a producer or a disk has made of it."""

from __future__ import annotations

import gzip
import zlib
from typing import Any

import cramjam
import pytest

from streams.runtime import decompression, fetch_patches, record_batches
from streams.runtime.failure import StartRefusedError
from streams.runtime.records import Unreadable
from tests.support.fetched import TP, fetch, fetch_all, log_of
from tests.support.rawlog import CODECS, Raw, batch, field, header, pack, records, sound, varint

GOOD = Raw(b"good", b"key")
PRODUCER = (7, 0, 0)
TRANSACTIONAL, CONTROL, APPEND_TIME = 0x10, 0x20, 0x08


def values(log: bytes, end: int) -> list[bytes | None]:
    return [record.value for record in fetch_all(log, end)]


def the_fault(spoilt: bytes, held: int = 1) -> str:
    """Why a batch is unreadable; what stands before and behind it is read, and it is kept whole."""
    log = log_of([sound(GOOD), spoilt, sound(GOOD, codec="lz4")])
    before, broken, behind = fetch_all(log, held + 2)
    assert (before.value, behind.value, behind.offset) == (b"good", b"good", held + 1)
    assert isinstance(broken, Unreadable)
    assert (broken.first_offset, broken.offset) == (1, held)
    assert broken.value[8:] == spoilt[8:]
    return broken.error


@pytest.mark.rule("R1.23")
@pytest.mark.parametrize("codec", CODECS)
def test_every_codec_is_read(codec: str) -> None:
    many = [Raw(b"%d" % number * 100, None if number % 2 else b"k") for number in range(1000)]
    found = fetch_all(log_of([sound(*many, codec=codec), sound(GOOD, codec=codec)]), 1001)
    assert [(r.offset, r.key, r.value) for r in found[:-1]] == [
        (number, raw.key, raw.value) for number, raw in enumerate(many)
    ]
    assert found[-1].value == b"good"


@pytest.mark.rule("R1.23")
def test_what_java_reads_is_read() -> None:
    """gzip in pieces, or with something behind it; snappy without blocks; zstd in two frames."""
    body = records(GOOD)
    for codec, packed in (
        ("gzip", gzip.compress(body[:3]) + gzip.compress(body[3:])),
        ("gzip", gzip.compress(body) + b"behind"),
        ("snappy", bytes(cramjam.snappy.compress_raw(body))),
        ("zstd", pack("zstd", body[:3]) + pack("zstd", body[3:])),
    ):
        assert values(log_of([batch(packed, 1, attributes=CODECS[codec])]), 1) == [b"good"]


@pytest.mark.rule("R1.23")
@pytest.mark.parametrize("codec", ["none", "zstd"])
@pytest.mark.parametrize(
    "headers",
    [
        varint(1) + header(b"\xff\xfe", b"value"),
        varint(2) + header(b"", None) + header(b"\xc3", b""),
        varint(1) + field(None) + field(b"x"),
        varint(-1),
        varint(2**31 - 1),
        varint(50_000) + header(b"", b"") * 50_000,
        b"",
        b"\xff" * 40,
    ],
    ids=["no utf-8", "no value", "no key", "minus one", "too many", "50,000", "none", "noise"],
)
def test_headers_are_never_looked_at(headers: bytes, codec: str) -> None:
    log = log_of([sound(GOOD, GOOD._replace(headers=headers), GOOD, codec=codec)])
    assert values(log, 3) == [b"good"] * 3


@pytest.mark.rule("R1.23")
def test_a_producer_may_number_its_records_as_it_likes() -> None:
    for deltas in ((0, 0, 0), (2, 1, 0), (-5, 99, 2**31)):
        log = log_of([sound(*(GOOD._replace(offset_delta=delta) for delta in deltas))])
        assert [record.offset for record in fetch_all(log, 3)] == [0, 1, 2]


@pytest.mark.rule("R1.23")
def test_any_time_is_a_number() -> None:
    for first_ms, passed_ms, wanted in (
        (-1, 0, -1),
        (-2, 0, -2),
        (-(2**63), 0, -(2**63)),
        (2**63 - 1, 0, 2**63 - 1),
        (2**63 - 1, 1, -(2**63)),
        (0, -(2**62), -(2**62)),
    ):
        for headers in (b"\0", varint(1) + header(b"\xff", b"")):
            raw = GOOD._replace(passed_ms=passed_ms, headers=headers)
            [record], _ = fetch(log_of([sound(raw, first_ms=first_ms)]))
            assert record.timestamp == wanted
            log = log_of([sound(raw, first_ms=first_ms, max_ms=5, attributes=APPEND_TIME)])
            assert fetch(log)[0][0].timestamp == 5


@pytest.mark.rule("R1.24")
@pytest.mark.parametrize(
    ("spoilt", "held", "says"),
    [
        (sound(GOOD, GOOD, attributes=5), 2, "codec with number 5"),
        (sound(GOOD, attributes=7), 1, "codec with number 7"),
        (sound(GOOD, checksum=1), 1, "checksum is wrong"),
        (sound(GOOD, magic=1), 1, "message format 1"),
        (sound(GOOD, magic=3), 1, "message format 3"),
        (batch(b"garbage" * 3, 1, attributes=1), 1, "gzip cannot be unpacked"),
        (batch(gzip.compress(b"x" * 99)[:-9], 1, attributes=1), 1, "gzip cannot be unpacked"),
        (batch(b"garbage" * 3, 1, attributes=2), 1, "snappy cannot be unpacked"),
        (batch(b"\x82SNAPPY\0" + b"\xff" * 40, 1, attributes=2), 1, "snappy cannot be unpacked"),
        (batch(b"garbage" * 3, 1, attributes=3), 1, "lz4 cannot be unpacked"),
        (batch(b"garbage" * 3, 1, attributes=4), 1, "zstd cannot be unpacked"),
        (batch(b"", 1, attributes=4), 1, "zstd cannot be unpacked"),
        (batch(b"", 3), 3, "record 0 of 3 is cut off"),
        (sound(GOOD._replace(length=500)), 1, "500 bytes are announced where"),
        (sound(GOOD._replace(length=3), codec="lz4"), 1, "record 0 of 1"),
        (sound(GOOD._replace(length=-5)), 1, "-5 bytes"),
        (batch(b"\xff" * 12 + records(GOOD), 1), 1, "number is too long"),
        (
            batch(records(GOOD, GOOD._replace(offset_delta=0)), 2, last_delta=4),
            5,
            "offsets contradict each other",
        ),
    ],
    ids=range(18),
)
def test_what_cannot_be_read_is_kept_whole_and_its_neighbours_are_read(
    spoilt: bytes, held: int, says: str
) -> None:
    assert says in the_fault(spoilt, held)


@pytest.mark.rule("R1.24")
def test_what_stands_before_a_broken_record_is_read() -> None:
    spoilt = GOOD._replace(length=500)
    log = log_of([sound(GOOD, GOOD, spoilt, GOOD, codec="gzip"), sound(GOOD)])
    one, two, broken, last = fetch_all(log, 5)
    assert [one.value, two.value, last.value] == [b"good"] * 3
    assert isinstance(broken, Unreadable)
    assert (broken.first_offset, broken.offset, last.offset) == (2, 3, 4)
    again, position = fetch(log, 3)  # a worker that has decided as far as the middle of the rest
    assert isinstance(again[0], Unreadable)
    assert (again[0].first_offset, again[0].offset, position) == (3, 3, 5)
    assert [type(record) for record in fetch(log, 4)[0]] == [type(last)]


@pytest.mark.rule("R1.24")
@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_a_batch_that_unpacks_without_end_costs_little(codec: str) -> None:
    body = records(Raw(bytes(decompression.MOST_UNPACKED), b"k"))
    assert "more than 32 MiB" in the_fault(batch(pack(codec, body), 1, attributes=CODECS[codec]))


@pytest.mark.rule("R1.24")
def test_a_batch_of_more_records_than_are_sane_is_refused_whole() -> None:
    many = record_batches.MOST_RECORDS + 1
    body = zlib.compress(varint(6) + b"\0\0\0\1\1\0" * many, wbits=31)
    assert "250001 records" in the_fault(batch(body, many, attributes=1), many)


@pytest.mark.rule("R1.24")
@pytest.mark.parametrize("size", [10, 100_000])
def test_what_unpacks_to_much_comes_in_pieces(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_patches, "MOST_AT_ONCE", 300_000)
    many = [Raw(b"%06d" % number + bytes(size)) for number in range(20_000_000 // (size + 1000))]
    log = log_of([sound(GOOD), sound(*many, codec="zstd"), sound(GOOD)])
    found, position = fetch(log)
    assert 1 < len(found) < len(many) / 2
    assert position == found[-1].offset + 1
    assert values(log, len(many) + 2) == [b"good", *(raw.value for raw in many), b"good"]


@pytest.mark.rule("R1.26")
def test_an_aborted_transaction_is_never_seen_broken_or_not() -> None:
    theirs: dict[str, Any] = {"producer": PRODUCER, "attributes": TRANSACTIONAL}
    abort = sound(
        Raw(b"\0\0\0\0\0\0", b"\0\0\0\0"),
        producer=PRODUCER,
        attributes=TRANSACTIONAL | CONTROL,
    )
    spoilt = batch(b"garbage", 3, producer=PRODUCER, attributes=TRANSACTIONAL | 1)
    log = log_of([sound(GOOD), sound(GOOD, GOOD, **theirs), spoilt, abort, sound(GOOD, **theirs)])
    found, position = fetch(log, aborted=[(PRODUCER[0], 1)])
    assert [(record.offset, record.value) for record in found] == [(0, b"good"), (7, b"good")]
    assert position == 8


def test_a_marker_whose_record_the_cleaner_took_marks_nothing() -> None:
    left = batch(b"", 0, last_delta=0, producer=PRODUCER, attributes=TRANSACTIONAL | CONTROL)
    theirs = sound(GOOD, producer=PRODUCER, attributes=TRANSACTIONAL)
    found, position = fetch(log_of([left, theirs]), aborted=[(PRODUCER[0], 0)])
    assert (found, position) == ([], 2)
    assert values(log_of([left, theirs]), 2) == [b"good"]


def test_a_batch_that_the_cleaner_has_thinned_keeps_its_offsets() -> None:
    kept = [GOOD._replace(offset_delta=delta) for delta in (1, 4)]
    empty = batch(b"", 0, last_delta=9)
    found = fetch_all(log_of([sound(*kept, last_delta=5, codec="gzip"), empty, sound(GOOD)]), 17)
    assert [record.offset for record in found] == [1, 4, 16]


def test_others_than_a_worker_s_sources_refuse_what_they_cannot_read() -> None:
    """A changelog that cannot be read is lost: that must never pass for an empty one."""
    log = log_of([sound(GOOD), sound(GOOD, checksum=1)])
    with pytest.raises(StartRefusedError, match=f"{TP.topic}-0: what stood at offsets 1 to 1"):
        fetch(log, check_crcs=True)


@pytest.mark.parametrize(
    "spoilt",
    [
        sound(GOOD, checksum=1, last_delta=2**30),
        batch(records(GOOD), -1, last_delta=-1),
        sound(GOOD)[:8] + b"\0\0\0\5" + sound(GOOD)[12:],
        sound(GOOD)[:8] + b"\xff" * 4 + sound(GOOD)[12:],
        sound(GOOD)[:8] + b"\0\0\0\x20" + sound(GOOD)[12:],
    ],
    ids=["last offset", "negative", "short", "without end", "no room for a record"],
)
def test_a_batch_that_does_not_say_where_it_ends_ends_the_worker_with_a_word(spoilt: bytes) -> None:
    """No broker lets a producer write one; to guess could pass over what nobody has decided."""
    with pytest.raises(StartRefusedError, match="what begins at offset 1 cannot be read"):
        fetch(log_of([sound(GOOD)]) + spoilt + sound(GOOD))


def test_a_broken_end_of_a_transaction_ends_the_worker_with_a_word() -> None:
    broken = sound(GOOD, checksum=1, producer=PRODUCER, attributes=TRANSACTIONAL | CONTROL)
    with pytest.raises(StartRefusedError, match="the end of a transaction at offset 0"):
        fetch(broken)


def test_a_fetch_that_is_cut_off_ends_before() -> None:
    log = log_of([sound(GOOD), sound(GOOD)])
    for end in range(len(sound(GOOD)), len(log)):
        assert [record.value for record in fetch(log[:end])[0]] == [b"good"]
