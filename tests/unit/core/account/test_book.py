"""The book as a whole: requests and places, words on the account, its bytes, its next review."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.account import account as books
from streams.core.account.facts import Facts
from streams.core.account.rules import account_rules_of
from streams.core.account.state import dump, load
from tests.unit.core.account.holder import (
    BUCKET_MS,
    MIDNIGHT,
    START,
    WECOM,
    Holder,
    bucket_ms,
    changed,
)
from tests.unit.core.person import DAY, HOUR

if TYPE_CHECKING:
    from streams.core.account.state import AccountState

# --- friend requests ------------------------------------------------------------------------------


def test_an_add_takes_one_of_today_and_one_place() -> None:
    holder = Holder()
    holder.add()
    assert books.free_adds(holder.book, holder.law, holder.now_ms) == 19
    assert books.capacity(holder.book, holder.law) == 4_999
    assert holder.limits.adds_today == 1


def test_an_answer_frees_the_place_and_not_the_add() -> None:
    holder = Holder()
    granted_ms = holder.add()
    holder.later(HOUR)
    holder.answered(granted_ms)
    holder.answered(granted_ms)
    assert books.capacity(holder.book, holder.law) == 5_000
    assert holder.limits.adds_today == 1


def test_a_friend_keeps_the_place_that_was_taken_for_them() -> None:
    holder = Holder()
    granted_ms = holder.add()
    holder.note(relations=1)
    holder.answered(granted_ms)
    assert books.capacity(holder.book, holder.law) == 4_999
    assert holder.limits.relations == 1


def test_what_is_given_back_was_never_granted() -> None:
    holder = Holder()
    granted_ms = holder.add()
    holder.give_back(granted_ms)
    assert holder.limits.adds_today == 0
    assert books.capacity(holder.book, holder.law) == 5_000


def test_an_add_of_yesterday_is_given_back_to_yesterday() -> None:
    holder = Holder()
    granted_ms = holder.add()
    holder.until(MIDNIGHT + DAY)
    holder.add()
    holder.give_back(granted_ms)
    assert holder.limits.adds_today == 1
    assert books.capacity(holder.book, holder.law) == 4_999


def test_adds_are_free_again_at_the_policys_midnight() -> None:
    holder = Holder()
    for _ in range(20):
        holder.add()
    law, end_ms = holder.law, MIDNIGHT + DAY
    assert books.next_day_ms(law, holder.now_ms) == end_ms
    assert books.free_adds(holder.book, law, end_ms - 1) == 0
    assert books.free_adds(holder.book, law, end_ms) == 20
    assert holder.due_ms == end_ms


def test_a_zone_that_moves_west_opens_no_second_day() -> None:
    holder = Holder()
    holder.add()
    western = msgspec.structs.replace(WECOM, time_zone="America/New_York")
    holder.law = account_rules_of(western)
    assert holder.limits.adds_today == 1


def test_a_transfer_takes_a_place_and_no_add() -> None:
    holder = Holder()
    begun_ms = holder.transfer()
    assert books.capacity(holder.book, holder.law) == 4_999
    assert holder.limits.adds_today == 0
    holder.answered(begun_ms)
    assert books.capacity(holder.book, holder.law) == 5_000


def test_an_unanswered_request_keeps_its_place_until_it_may_be_made_again() -> None:
    holder = Holder()
    holder.add()
    granted_day_ends_ms = (START // DAY + 1) * DAY
    dead_ms = granted_day_ends_ms + 7 * DAY  # the window `add-7d`
    holder.until(dead_ms - 1)
    assert books.capacity(holder.book, holder.law) == 4_999
    holder.later(1)
    assert books.capacity(holder.book, holder.law) == 5_000
    assert holder.due_ms is None


def test_an_account_over_its_ceiling_has_no_room_and_not_less() -> None:
    holder = Holder()
    holder.note(relations=7_000)
    assert books.capacity(holder.book, holder.law) == 0


def test_a_removal_may_be_told_before_its_addition() -> None:
    holder = Holder()
    holder.note(relations=-2)
    assert holder.limits.relations == 0
    holder.note(relations=3)
    assert holder.limits.relations == 1


def test_without_ceilings_nobody_counts_places() -> None:
    holder = Holder(changed(ceilings=None))
    holder.add()
    assert books.capacity(holder.book, holder.law) is None
    assert books.free_adds(holder.book, holder.law, holder.now_ms) is None
    assert holder.limits.adds_today == 1


# --- words on the account -------------------------------------------------------------------------


def test_the_newest_word_holds_in_whatever_order_words_come() -> None:
    holder = Holder()
    assert holder.status("suspended", START - 1) == [
        ("status", "active", "suspended", "account_status")
    ]
    assert holder.status("active", START - 2) == []
    assert holder.status("suspended", START - 1) == []
    assert holder.book.status == "suspended"
    assert holder.status("active") == [("status", "suspended", "active", "account_status")]


@pytest.mark.rule("R7.8")
@pytest.mark.parametrize(
    "words", list(permutations(["active", "reinstated", "suspended", "resigned"]))
)
def test_of_words_of_one_moment_the_strictest_holds_in_every_order(words: tuple[str, ...]) -> None:
    holder = put_out(Holder(changed(brake=None)))
    for word in words:
        holder.status(word)
    assert holder.book.status == "resigned"
    assert not books.is_off(holder.book)  # reinstated it was
    assert holder.limits.delivered == 0


@pytest.mark.rule("R7.8")
def test_words_ahead_of_this_clock_keep_their_order() -> None:
    """Who heard them bounded them by its own clock, which may be a little ahead of this one."""
    holder = Holder()
    holder.status("resigned", START + 5)
    holder.status("reinstated", START + 6)
    assert holder.book.status == "active"


def put_out(holder: Holder) -> Holder:
    holder.note(delivered=1_000, complaints=50)
    holder.later(20 * DAY)
    return holder


def test_reinstated_ends_off_and_nothing_from_before_it_counts() -> None:
    holder = put_out(Holder(changed(brake=None)))
    assert books.is_off(holder.book)
    assert books.paused_until_ms(holder.book, holder.now_ms) is None
    assert holder.status("reinstated") == [
        ("pause", None, 0, "reinstated"),
        ("grade", "red", "new", "reinstated"),
        ("status", "off", "active", "reinstated"),
    ]
    assert not books.is_off(holder.book)
    limits = holder.limits
    assert (limits.grade, limits.delivered, limits.complaint_rate) == ("new", 0, 0)
    assert holder.ceilings == (1_000, 10)  # they stay where they are


def test_a_repeated_reinstatement_does_not_end_a_later_off() -> None:
    holder = Holder(changed(brake=None))
    holder.status("reinstated")
    put_out(holder)
    assert holder.status("reinstated", START) == []
    assert books.is_off(holder.book)


def test_facts_from_before_a_reinstatement_count_no_more_and_stop_nobody() -> None:
    holder = Holder()
    holder.now_ms += BUCKET_MS
    holder.status("reinstated")
    holder.note(at_ms=START, delivered=1_000, complaints=500)
    assert holder.limits.delivered == 0
    assert holder.limits.grade == "new"
    holder.note(delivered=5)
    assert holder.limits.delivered == 5


def test_reinstated_ends_a_pause_and_forgets_the_ladder() -> None:
    holder = Holder()
    holder.note(complaints=4)
    pause_ms = START + 3 * HOUR
    assert holder.status("reinstated") == [("pause", pause_ms, 0, "reinstated")]
    holder.note(complaints=4)
    assert holder.told[-1] == ("pause", 0, pause_ms, "burst")


def test_an_active_account_that_is_reinstated_was_never_away() -> None:
    assert Holder().status("reinstated") == []


# --- bytes ----------------------------------------------------------------------------------------


def test_two_loaded_books_share_nothing() -> None:
    first, second = load(None), load(None)
    law = account_rules_of(WECOM)
    books.apply_facts(first, law, [Facts(START, delivered=5, relations=3)], START)
    books.take_add(first, law, START)
    assert second == load(None)


@pytest.mark.parametrize(("delivered", "most_bytes"), [(500, 2_800), (100_000, 3_900)])
def test_a_book_of_four_weeks_stays_small_however_busy(delivered: int, most_bytes: int) -> None:
    book, law = load(None), account_rules_of(WECOM)
    for index in range(120):
        now_ms = START + index * BUCKET_MS
        books.apply_facts(book, law, [busy(delivered, now_ms, -150 if index else 20_000)], now_ms)
        books.take_add(book, law, now_ms)
        books.review(book, law, None, now_ms)
    assert len(book.buckets) == 81
    assert len(book.relations_held.peaks) == 87
    assert len(dump(book)) < most_bytes


def busy(delivered: int, now_ms: int, relations: int) -> Facts:
    return Facts(
        now_ms,
        delivered=delivered,
        complaints=delivered // 1_000,
        blocks=delivered // 1_000,
        opt_outs=delivered // 300,
        received=delivered // 4,
        relations=relations,
    )


# --- the next review ------------------------------------------------------------------------------


STEP = st.tuples(
    st.sampled_from(["note", "add", "answer", "status", "wait"]),
    st.sampled_from([0, 1, HOUR, 5 * HOUR, DAY, 6 * DAY, 29 * DAY]),
    st.integers(0, 3_000),
    st.integers(0, 12),
    st.sampled_from(["active", "suspended", "reinstated"]),
)


def act(holder: Holder, step: tuple[str, int, int, int, str]) -> None:
    what, _, many, few, word = step
    if what == "note":
        holder.note(delivered=many, complaints=few // 3, opt_outs=few, relations=many)
    elif what == "add":
        holder.add()
    elif what == "answer":
        holder.answered(holder.now_ms - few * HOUR)
    elif what == "status":
        holder.status(word)


class InMemory(Holder):
    """A holder whose book never becomes bytes."""

    def __init__(self) -> None:
        super().__init__()
        self._kept = load(None)

    @property
    def book(self) -> AccountState:
        return self._kept


@settings(derandomize=True, max_examples=60, deadline=None, database=None)
@given(st.lists(STEP, max_size=12))
def test_bytes_lose_nothing(steps: list[tuple[str, int, int, int, str]]) -> None:
    stored, kept = Holder(), InMemory()
    for holder in (stored, kept):
        for step in steps:
            act(holder, step)
            holder.later(step[1])
    assert stored.book == kept.book
    assert stored.changes == kept.changes


@settings(derandomize=True, max_examples=120, deadline=None, database=None)
@given(st.lists(STEP, max_size=12), st.integers(1, 40 * DAY))
def test_between_reviews_nothing_changes(
    steps: list[tuple[str, int, int, int, str]], ahead_ms: int
) -> None:
    """Whatever the book holds: before the time it names, its limits and its room stay as they are,
    and looking early changes nothing.
    """
    holder = Holder()
    for step in steps:
        act(holder, step)
        holder.later(step[1])
    holder.review()
    due_ms, now_ms = holder.due_ms, holder.now_ms
    assert due_ms is None or due_ms > now_ms
    then_ms = min(now_ms + ahead_ms, now_ms + 400 * DAY if due_ms is None else due_ms - 1)
    before, room = holder.limits, books.capacity(holder.book, holder.law)
    assert books.limits_of(holder.book, holder.law, then_ms) == before
    holder.now_ms = then_ms
    assert holder.review() == []
    assert holder.limits == before
    assert books.capacity(holder.book, holder.law) == room
    assert holder.due_ms == due_ms or then_ms == now_ms


@settings(derandomize=True, max_examples=60, deadline=None, database=None)
@given(st.lists(STEP, max_size=12))
def test_every_book_comes_to_rest(steps: list[tuple[str, int, int, int, str]]) -> None:
    holder = Holder()
    for step in steps:
        act(holder, step)
        holder.later(step[1])
    holder.later(500 * DAY)
    assert holder.due_ms is None


def test_a_fresh_book_needs_no_review() -> None:
    assert Holder().due_ms is None


def test_counts_are_looked_at_when_they_leave_their_window_and_not_before() -> None:
    holder = Holder(changed(brake=None))
    holder.note(delivered=10)
    assert holder.due_ms == bucket_ms(START) + BUCKET_MS + 7 * DAY


def test_a_policy_is_arranged_once() -> None:
    assert account_rules_of(WECOM) is account_rules_of(changed())


@pytest.mark.rule("R6.12")
def test_a_transfer_under_way_takes_a_place_and_is_no_add() -> None:
    holder = Holder()
    begun_ms = holder.now_ms
    holder.add()
    holder.transfer()
    assert (holder.book.open_requests, holder.book.open_adds) == (2, 1)
    holder._step(
        lambda book: books.close_request(book, holder.law, begun_ms, holder.now_ms, handed=True)
    )
    assert (holder.book.open_requests, holder.book.open_adds) == (1, 1)
    holder.answered(begun_ms)
    assert (holder.book.open_requests, holder.book.open_adds) == (0, 0)


@pytest.mark.rule("R6.13")
@pytest.mark.parametrize("word", ["resigned", "suspended"])
def test_who_may_not_send_has_no_room_for_anybody(word: str) -> None:
    holder = Holder()
    free = books.vacancies(holder.book, holder.law)
    holder.status(word)
    assert (free > 0, books.vacancies(holder.book, holder.law)) == (True, 0)
    assert (holder.limits.relations_ceiling == 0) is (word == "resigned")
    holder.later(1)
    holder.status("reinstated")
    assert books.vacancies(holder.book, holder.law) == free
