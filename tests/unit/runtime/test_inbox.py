from __future__ import annotations

from streams.runtime.batch import MAX_BYTES, MAX_RECORDS
from streams.runtime.inbox import HIGH_BYTES, HIGH_RECORDS, Inbox, take_together
from tests.unit.runtime.toy import arrived


def taken(inbox: Inbox) -> list[tuple[str, int]]:
    return [(r.topic, r.offset) for r in inbox.take()]


def test_what_was_added_comes_out_once() -> None:
    inbox = Inbox(["a"])
    inbox.add("a", [arrived("a", 0), arrived("a", 1)])
    inbox.add("a", [arrived("a", 5)])
    assert inbox.waiting == 3
    assert taken(inbox) == [("a", 0), ("a", 1), ("a", 5)]
    assert inbox.waiting == 0
    assert taken(inbox) == []


def test_what_was_put_back_comes_first_and_counts_as_waiting() -> None:
    inbox = Inbox(["a", "b"])
    inbox.add("a", [arrived("a", 0, 10), arrived("a", 1, 30)])
    inbox.add("b", [arrived("b", 0, 20), arrived("b", 1, 40)])
    before = inbox.waiting, inbox.waiting_bytes
    records = inbox.take()
    inbox.put_back(records[1:])
    assert inbox.waiting == before[0] - 1
    assert inbox.waiting_bytes == before[1] - 10
    inbox.add("a", [arrived("a", 1, 30), arrived("a", 2, 35)])
    assert taken(inbox) == [("b", 0), ("a", 1), ("a", 2), ("b", 1)]
    assert (inbox.waiting, inbox.waiting_bytes) == (0, 0)


def test_what_comes_again_is_dropped() -> None:
    inbox = Inbox(["a"])
    inbox.add("a", [arrived("a", n) for n in (3, 5, 8)])
    inbox.add("a", [arrived("a", n) for n in (3, 5)])
    inbox.add("a", [arrived("a", n) for n in (5, 8, 9)])
    assert taken(inbox) == [("a", 3), ("a", 5), ("a", 8), ("a", 9)]
    inbox.add("a", [arrived("a", 9)])
    assert inbox.waiting == 0


def test_a_restart_takes_records_from_its_offsets_on() -> None:
    inbox = Inbox(["a", "b"])
    inbox.add("a", [arrived("a", n) for n in range(10)])
    inbox.restart({"a": 4, "b": 2})
    assert inbox.waiting == 0
    inbox.add("a", [arrived("a", n) for n in range(6)])
    inbox.add("b", [arrived("b", n) for n in range(2)])
    assert taken(inbox) == [("a", 4), ("a", 5)]


def test_topics_are_merged_by_time() -> None:
    inbox = Inbox(["a", "b"])
    inbox.add("a", [arrived("a", 0, 10), arrived("a", 1, 30), arrived("a", 2, 50)])
    inbox.add("b", [arrived("b", 0, 20), arrived("b", 1, 40), arrived("b", 2, 60)])
    assert taken(inbox) == [("a", 0), ("b", 0), ("a", 1), ("b", 1), ("a", 2), ("b", 2)]


def test_offsets_of_a_topic_keep_their_order_whatever_their_times() -> None:
    inbox = Inbox(["a", "b"])
    inbox.add("a", [arrived("a", 0, 90), arrived("a", 1, 10), arrived("a", 2, 50)])
    inbox.add("b", [arrived("b", 0, 60), arrived("b", 1, 20)])
    merged = taken(inbox)
    assert [offset for topic, offset in merged if topic == "a"] == [0, 1, 2]
    assert [offset for topic, offset in merged if topic == "b"] == [0, 1]


def test_a_batch_is_bounded_by_count() -> None:
    inbox = Inbox(["a", "b"])
    inbox.add("a", [arrived("a", n) for n in range(MAX_RECORDS)])
    inbox.add("b", [arrived("b", 0)])
    assert len(taken(inbox)) == MAX_RECORDS
    assert len(taken(inbox)) == 1


def test_a_batch_is_bounded_by_bytes_but_never_empty() -> None:
    inbox = Inbox(["a"])
    inbox.add("a", [arrived("a", n, size=MAX_BYTES // 2) for n in range(3)])
    assert taken(inbox) == [("a", 0), ("a", 1)]
    inbox.add("a", [arrived("a", 3, size=3 * MAX_BYTES)])
    assert taken(inbox) == [("a", 2), ("a", 3)]
    inbox.add("a", [arrived("a", 4, size=3 * MAX_BYTES)])
    assert taken(inbox) == [("a", 4)]
    assert inbox.has_room("a")


def test_a_full_topic_pushes_back_and_the_other_does_not() -> None:
    inbox = Inbox(["a", "b"])
    inbox.add("a", [arrived("a", n) for n in range(HIGH_RECORDS)])
    assert not inbox.has_room("a")
    assert inbox.has_room("b")
    inbox.take()
    assert inbox.has_room("a")


def test_bytes_push_back_on_all_topics() -> None:
    inbox = Inbox(["a", "b"])
    inbox.add("a", [arrived("a", 0, size=HIGH_BYTES)])
    assert not inbox.has_room("b")
    inbox.clear()
    assert inbox.has_room("b")
    assert inbox.waiting == 0


def test_a_tombstone_weighs_nothing() -> None:
    inbox = Inbox(["a"])
    inbox.add("a", [arrived("a", 0, size=-1)])
    assert taken(inbox) == [("a", 0)]


def several(*waiting: int, size: int = 10) -> dict[int, Inbox]:
    """Inboxes 0, 1, 2 … with so many records each."""
    inboxes = {number: Inbox(["a"]) for number in range(len(waiting))}
    for number, count in enumerate(waiting):
        if count:
            inboxes[number].add("a", [arrived("a", n, size=size) for n in range(count)])
    return inboxes


def shares(inboxes: dict[int, Inbox]) -> list[int]:
    taken = take_together(inboxes)
    return [len(taken[number]) for number in sorted(inboxes)]


def test_one_batch_of_several_is_bounded_as_that_of_one() -> None:
    assert shares(several(MAX_RECORDS, MAX_RECORDS)) == [MAX_RECORDS // 2] * 2
    assert shares(several(MAX_RECORDS + 1)) == [MAX_RECORDS]
    large = several(3, 3, size=MAX_BYTES // 2)
    assert [shares(large), shares(large)] == [[1, 1], [1, 1]]


def test_who_has_little_takes_it_all_and_leaves_the_rest_to_who_has_more() -> None:
    assert shares(several(MAX_RECORDS, 10, 0, 1)) == [MAX_RECORDS - 11, 10, 0, 1]
    assert shares(several(0, 0, 0, 0)) == [0, 0, 0, 0]


def test_an_inbox_of_huge_records_shuts_nobody_out_and_is_not_shut_out() -> None:
    inboxes = several(5, 0, 5)
    inboxes[1].add("a", [arrived("a", n, size=3 * MAX_BYTES) for n in range(2)])
    assert shares(inboxes) == [5, 1, 5]
    assert shares(inboxes) == [0, 1, 0]
    assert all(inbox.waiting_bytes == 0 for inbox in inboxes.values())


def test_everybody_gets_something_however_large_all_are() -> None:
    assert shares(several(2, 2, 2, size=3 * MAX_BYTES)) == [1, 1, 1]
