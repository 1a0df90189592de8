"""A campaign's stages: who is in them, when they come, what stops them, and that it works."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.campaign import (
    FORGET_AFTER_MS,
    apply_facts,
    is_forgotten,
    next_review_ms,
    restart_hold,
    review,
    status_of,
)
from streams.core.campaign_state import (
    UNKNOWN_RELEASE,
    CampaignFacts,
    CampaignRelease,
    CampaignRules,
    CampaignState,
    Phase,
    campaign_rules_of,
    dump,
    is_staged,
    load,
    position_of,
    release_of,
    releases,
    steps_to,
)
from streams.core.kinds import Kind
from streams.core.policy import Bound, Canary, Reputation, Weights
from tests.support.paths import ROOT
from tests.unit.core import canaries
from tests.unit.core.person import DAY, HOUR, MINUTE, NOON, kinds, policy

STEPS: Final = (0.01, 0.05, 0.2, 1.0)
HOLD: Final = 30 * MINUTE
CANARY: Final = Canary(kinds=kinds(Kind.BROADCAST), steps=STEPS, hold_ms=HOLD, from_size=2_000)
REPUTATION: Final = Reputation(
    weights=Weights(),
    red=Bound(share=0.003, over_ms=7 * DAY, minimum=200, confidence=0.975),
    green=Bound(share=0.001, over_ms=28 * DAY, minimum=1_000, confidence=0.8),
    hold_ms=DAY,
)
LAW: Final = campaign_rules_of(policy(canary=CANARY, reputation=REPUTATION))
BY_TIME: Final = campaign_rules_of(policy(canary=CANARY))
UNGOVERNED: Final = campaign_rules_of(policy(reputation=REPUTATION))
CLEAN: Final = 236
"""Deliveries that prove a rate below 0.3 % at 80 % when nobody complains; one fewer does not."""


class Campaign:
    """One campaign as the tests drive it; its book goes through its bytes at every step."""

    def __init__(self, law: CampaignRules = LAW, size: int | None = 48_000) -> None:
        self.law = law
        self.now_ms = NOON
        self.book = CampaignState()
        self.changed = False
        self.hear(size=size)

    def hear(self, **counts: Any) -> Campaign:
        book = load(dump(self.book))
        self.changed = apply_facts(
            book, self.law, CampaignFacts(self.now_ms, **counts), self.now_ms
        )
        self.book = book
        return self

    def wait(self, length_ms: int) -> Campaign:
        """Let time pass; only the timer that the campaign asks for looks at it."""
        end_ms = self.now_ms + length_ms
        self.changed = False
        while (due_ms := next_review_ms(self.book, self.law, self.now_ms)) is not None:
            assert due_ms > self.now_ms
            if due_ms > end_ms:
                break
            self.now_ms = due_ms
            self.changed |= review(self.book, self.law, self.now_ms)
        self.now_ms = end_ms
        return self

    def at_step(self, step: int) -> Campaign:
        """Go on with nothing but harmless deliveries until this step is released."""
        while self.book.step < step:
            self.hear(approved=CLEAN, delivered=CLEAN).wait(HOLD)
        return self

    @property
    def word(self) -> tuple[int, Phase]:
        return self.book.step, self.book.phase


# --- who is in a step -----------------------------------------------------------------------------


def test_places_are_spread_evenly() -> None:
    places = [position_of("spring", f"wm-{number}") for number in range(20_000)]
    # Four standard deviations of a fair sample of 20,000.
    for share in STEPS:
        found = sum(place < share for place in places) / len(places)
        assert abs(found - share) <= 4 * (share * (1 - share) / len(places)) ** 0.5


def test_a_customers_place_never_changes() -> None:
    # Frozen: a change of the hash would move every customer of every campaign under way.
    places = [position_of("spring", f"wm-{n}") for n in range(40)]
    assert "".join(str(sum(step <= place for step in STEPS)) for place in places) == FROZEN


FROZEN: Final = "3133330333233313332332323333333333333233"


def test_another_campaign_takes_others_first() -> None:
    first = {n for n in range(20_000) if position_of("spring", f"wm-{n}") < 0.05}
    second = {n for n in range(20_000) if position_of("summer", f"wm-{n}") < 0.05}
    assert len(first & second) <= 100  # 5 % of 5 % of 20,000 are 50; four deviations are 28


@pytest.mark.parametrize(
    ("released", "place", "steps"),
    [
        (0.01, 0.01, 1),
        (0.01, 0.05, 2),
        (0.01, 0.9, 3),
        (0.2, 0.3, 1),
        (0.0, 0.005, 1),
        (0.0, 0.9, 4),
    ],
)
def test_how_many_steps_on_a_share_comes(released: float, place: float, steps: int) -> None:
    assert steps_to(CANARY, CampaignRelease(released), place) == steps


@pytest.mark.parametrize(
    ("size", "word"),
    [(None, (0, Phase.CANARY)), (1_999, (3, Phase.FULL)), (2_000, (0, Phase.CANARY))],
)
def test_small_campaigns_are_not_staged_and_unknown_ones_are(
    size: int | None, word: tuple[int, Phase]
) -> None:
    assert is_staged(CANARY, size) is (word[1] is Phase.CANARY)
    assert Campaign(size=size).word == word


@pytest.mark.parametrize(
    ("word", "released"),
    [
        (UNKNOWN_RELEASE, []),
        (CampaignRelease(0.2, Phase.CANARY), [0.0, 0.01, 0.05]),
        (CampaignRelease(1.0, Phase.FULL), [0.0, 0.01, 0.05, 0.2, 0.99]),
        (CampaignRelease(1.0, Phase.PAUSED), []),
        (CampaignRelease(1.0, Phase.KILLED), []),
    ],
)
def test_what_a_word_releases(word: CampaignRelease, released: list[float]) -> None:
    places = [0.0, 0.01, 0.05, 0.2, 0.99]
    assert [place for place in places if releases(word, place)] == released


def test_a_hold_that_ended_in_an_outage_begins_anew() -> None:
    campaign = Campaign().hear(approved=CLEAN, delivered=CLEAN).wait(HOLD - 1)
    campaign.now_ms += HOUR
    restart_hold(campaign.book, campaign.now_ms)
    assert campaign.wait(HOLD - 1).book.step == 0
    assert campaign.wait(1).book.step == 1


# --- the steps ------------------------------------------------------------------------------------


def test_a_campaign_begins_with_its_first_share_and_says_so() -> None:
    campaign = Campaign()
    assert release_of(campaign.book) == CampaignRelease(0.01, Phase.CANARY, 48_000)
    assert campaign.changed


def test_the_next_step_comes_a_hold_after_the_first_approval_to_the_millisecond() -> None:
    campaign = Campaign().wait(HOUR).hear(approved=1)
    campaign.hear(approved=CLEAN, delivered=CLEAN).wait(HOLD - 1)
    assert campaign.word == (0, Phase.CANARY)
    campaign.wait(1)
    assert campaign.word == (1, Phase.CANARY)
    assert campaign.changed


def test_all_steps_come_after_as_many_holds() -> None:
    campaign = Campaign()
    for step in range(3):
        assert campaign.word == (step, Phase.CANARY)
        campaign.hear(approved=CLEAN, delivered=CLEAN).wait(HOLD)
    assert campaign.word == (3, Phase.FULL)
    assert campaign.now_ms == NOON + 3 * HOLD


@pytest.mark.parametrize(("delivered", "holds"), [(0, 2), (20, 2), (CLEAN - 1, 2), (CLEAN, 1)])
def test_too_few_deliveries_to_prove_anything_are_held_a_second_time(
    delivered: int, holds: int
) -> None:
    campaign = Campaign().hear(approved=300, delivered=delivered).wait(holds * HOLD - 1)
    assert campaign.word == (0, Phase.CANARY)
    assert campaign.wait(1).word == (1, Phase.CANARY)


def test_proof_that_comes_in_the_second_hold_counts_at_once() -> None:
    campaign = Campaign().hear(approved=300, delivered=20).wait(HOLD + MINUTE)
    assert campaign.hear(delivered=CLEAN).word == (1, Phase.CANARY)
    assert campaign.changed


def test_a_step_that_nobody_was_approved_of_waits_a_night_and_not_for_ever() -> None:
    campaign = Campaign().wait(DAY - 1)
    assert campaign.word == (0, Phase.CANARY)
    assert campaign.wait(1).word == (1, Phase.CANARY)


def test_the_hold_of_a_step_begins_with_its_own_first_approval() -> None:
    campaign = Campaign().at_step(1).wait(10 * HOUR)
    assert campaign.word == (1, Phase.CANARY)
    campaign.hear(approved=1).wait(HOLD - 1)
    assert campaign.word == (1, Phase.CANARY)
    assert campaign.wait(1).word == (2, Phase.CANARY)


def test_after_an_outage_the_steps_come_one_by_one() -> None:
    campaign = Campaign().hear(approved=CLEAN, delivered=CLEAN)
    campaign.now_ms += 5 * DAY
    assert review(campaign.book, LAW, campaign.now_ms)
    assert campaign.word == (1, Phase.CANARY)
    assert not review(campaign.book, LAW, campaign.now_ms)


def test_counts_that_come_before_the_size_are_a_beginning() -> None:
    campaign = Campaign(size=None).hear(approved=5)
    assert campaign.wait(2 * HOLD).word == (1, Phase.CANARY)
    fresh = CampaignState()
    apply_facts(fresh, LAW, CampaignFacts(NOON, approved=5), NOON)
    assert next_review_ms(fresh, LAW, NOON) == NOON + 2 * HOLD


def test_a_small_size_learned_late_releases_everything() -> None:
    campaign = Campaign(size=None).hear(size=500)
    assert campaign.word == (3, Phase.FULL)
    assert campaign.changed


def test_of_several_sizes_the_largest_counts() -> None:
    campaign = Campaign(size=48_000).hear(size=500)
    assert campaign.word == (0, Phase.CANARY)
    assert campaign.book.size == 48_000


# --- no proof -------------------------------------------------------------------------------------


@pytest.mark.rule("R6.9")
@pytest.mark.parametrize(("sent", "step"), [(0, 0), (3, 0), (999, 0), (2_400, 1), (40_000, 2)])
def test_a_campaign_that_grows_goes_by_the_shares_it_has_sent_to(sent: int, step: int) -> None:
    campaign = Campaign(size=1_999).hear(approved=sent)
    assert campaign.word == (3, Phase.FULL)
    campaign.hear(size=48_000)
    assert campaign.word == (step, Phase.CANARY)
    assert campaign.changed
    assert campaign.hear(approved=1).wait(2 * HOLD - 1).word == (step, Phase.CANARY)


@pytest.mark.rule("R6.9")
def test_a_campaign_is_no_smaller_than_what_was_asked_for() -> None:
    campaign = Campaign(size=999).hear(asked=1_999)
    assert campaign.word == (3, Phase.FULL)
    campaign.hear(asked=1)
    assert campaign.word == (0, Phase.CANARY)
    assert campaign.book.size == 2_000
    assert Campaign(size=999).hear(asked=999).hear(asked=999).word == (3, Phase.FULL)


@pytest.mark.rule("R6.9")
def test_a_campaign_that_went_through_its_steps_stays_released_however_it_grows() -> None:
    campaign = Campaign(size=2_000).at_step(3)
    assert campaign.hear(size=10**9, asked=10**6).word == (3, Phase.FULL)


@pytest.mark.rule("R6.9")
def test_a_small_campaign_that_grows_in_its_pause_goes_on_by_shares() -> None:
    campaign = Campaign(size=1_000).hear(approved=300, delivered=300, complaints=9)
    campaign.hear(size=48_000)
    assert campaign.word == (0, Phase.PAUSED)
    campaign.hear(delivered=20_000)
    assert campaign.wait(HOLD).word == (0, Phase.CANARY)


@pytest.mark.rule("R6.9")
def test_what_its_steps_had_reached_is_not_lost_to_a_size_that_was_too_small() -> None:
    campaign = Campaign(size=None).at_step(2).hear(size=500)
    assert campaign.word == (3, Phase.FULL)
    assert campaign.hear(size=48_000).word == (2, Phase.CANARY)


@pytest.mark.rule("R6.9")
def test_a_killed_campaign_does_not_come_back_by_growing() -> None:
    campaign = Campaign(size=1_000).hear(approved=300, delivered=300, complaints=9).wait(HOLD)
    assert campaign.hear(size=48_000).word == (3, Phase.KILLED)


@pytest.mark.rule("R6.9")
@pytest.mark.parametrize(("from_size", "phase"), [(400, Phase.CANARY), (2_000, Phase.FULL)])
def test_a_policy_with_another_from_size_holds_for_a_campaign_under_way(
    from_size: int, phase: Phase
) -> None:
    campaign = Campaign(size=500).hear(approved=9)
    canary = msgspec.structs.replace(CANARY, from_size=from_size)
    campaign.law = campaign_rules_of(policy(canary=canary, reputation=REPUTATION))
    assert campaign.hear(approved=1).book.phase is phase


def test_one_step_alone_is_proof_enough() -> None:
    canary = msgspec.structs.replace(CANARY, steps=(1.0,))
    law = campaign_rules_of(policy(canary=canary, reputation=REPUTATION))
    campaign = Campaign(law).hear(approved=1)
    value = dump(campaign.book)
    assert review(campaign.book, law, campaign.now_ms + HOUR) is False
    assert dump(campaign.book) == value
    assert campaign.book.phase is Phase.FULL


# --- stopping -------------------------------------------------------------------------------------


def test_without_reds_minimum_nothing_is_harmful() -> None:
    assert Campaign().hear(approved=199, delivered=199, complaints=50).word == (0, Phase.CANARY)
    assert Campaign().hear(approved=200, delivered=200, complaints=50).word == (0, Phase.PAUSED)


@pytest.mark.parametrize(
    ("hurts", "phase"),
    [
        ({"complaints": 2}, Phase.CANARY),
        ({"complaints": 3}, Phase.PAUSED),
        ({"complaints": 1, "blocks": 2}, Phase.PAUSED),
        ({"complaints": 1, "opt_outs": 2}, Phase.CANARY),
        ({"complaints": 2, "opt_outs": 1}, Phase.PAUSED),
    ],
)
def test_two_complaints_in_200_are_chance_and_more_are_not(
    hurts: dict[str, int], phase: Phase
) -> None:
    campaign = Campaign().hear(approved=200, delivered=200, **hurts)
    assert campaign.book.phase is phase
    assert campaign.changed is (phase is Phase.PAUSED)


@pytest.mark.parametrize("step", [0, 1, 2, 3])
def test_a_harmful_campaign_is_paused_at_once_at_every_step_and_then_killed(step: int) -> None:
    campaign = Campaign().at_step(step).hear(delivered=CLEAN, complaints=200)
    assert campaign.word == (step, Phase.PAUSED)
    campaign.wait(HOLD - 1)
    assert campaign.word == (step, Phase.PAUSED)
    assert campaign.wait(1).word == (step, Phase.KILLED)
    assert campaign.changed


def test_a_killed_campaign_stays_killed() -> None:
    campaign = Campaign().hear(approved=200, delivered=200, complaints=9).wait(HOLD)
    campaign.hear(approved=10**6, delivered=10**6).wait(30 * DAY)
    assert campaign.word == (0, Phase.KILLED)
    campaign.law = UNGOVERNED
    assert campaign.wait(DAY).hear(delivered=1).word == (0, Phase.KILLED)


@pytest.mark.parametrize(("step", "phase"), [(1, Phase.CANARY), (3, Phase.FULL)])
def test_late_deliveries_clear_a_paused_campaign_and_it_goes_on_where_it_was(
    step: int, phase: Phase
) -> None:
    campaign = Campaign().at_step(step).hear(approved=9, delivered=9, complaints=20)
    assert campaign.book.phase is Phase.PAUSED
    campaign.hear(delivered=20_000).wait(HOLD - 1)
    assert campaign.book.phase is Phase.PAUSED
    assert campaign.wait(1).word == (step, phase)
    assert campaign.changed


def test_what_goes_on_after_a_pause_is_watched_for_a_whole_hold() -> None:
    campaign = Campaign().hear(approved=200, delivered=200, complaints=3)
    campaign.hear(delivered=20_000).wait(HOLD).wait(HOLD - 1)
    assert campaign.word == (0, Phase.CANARY)
    assert campaign.wait(1).word == (1, Phase.CANARY)


def test_a_pause_is_no_first_approval_of_a_step_that_had_none() -> None:
    campaign = Campaign().at_step(1).hear(delivered=9, complaints=20).hear(delivered=20_000)
    assert campaign.word == (1, Phase.PAUSED)
    assert campaign.wait(10 * HOUR).word == (1, Phase.CANARY)
    assert campaign.hear(approved=1).wait(HOLD).word == (2, Phase.CANARY)


def test_without_receipts_the_approved_stand_for_the_delivered_against_a_campaign() -> None:
    assert Campaign().hear(approved=200, complaints=3).word == (0, Phase.PAUSED)
    silent = Campaign().hear(approved=10_000).wait(HOLD)
    assert silent.word == (0, Phase.CANARY)
    assert silent.wait(HOLD).word == (1, Phase.CANARY)


def test_complaints_before_their_receipts_are_no_error() -> None:
    assert Campaign().hear(approved=1, delivered=1, complaints=5).word == (0, Phase.CANARY)
    assert Campaign().hear(delivered=200, blocks=500).word == (0, Phase.PAUSED)


def test_a_small_campaign_is_stopped_as_well() -> None:
    campaign = Campaign(size=1_000).hear(approved=300, delivered=300, complaints=9)
    assert campaign.word == (3, Phase.PAUSED)
    assert campaign.wait(HOLD).word == (3, Phase.KILLED)


# --- under other policies -------------------------------------------------------------------------


def test_without_a_canary_everything_is_released_and_nothing_stopped() -> None:
    campaign = Campaign(UNGOVERNED)
    assert campaign.book.phase is Phase.FULL
    began_ms = campaign.book.stepped_ms
    campaign.wait(DAY).hear(delivered=1_000, complaints=1_000)
    assert campaign.book.phase is Phase.FULL
    assert campaign.book.stepped_ms == began_ms


def test_without_reputation_time_alone_decides() -> None:
    campaign = Campaign(BY_TIME).hear(approved=1, complaints=50)
    assert campaign.wait(HOLD).word == (1, Phase.CANARY)


def test_a_canary_that_is_taken_from_the_policy_lets_a_paused_campaign_go() -> None:
    campaign = Campaign().hear(approved=200, delivered=200, complaints=3)
    campaign.law = UNGOVERNED
    assert campaign.hear(delivered=1).book.phase is Phase.FULL


@pytest.mark.rule("R6.9")
def test_what_no_canary_governed_goes_by_shares_under_one() -> None:
    campaign = Campaign(UNGOVERNED)
    campaign.law = LAW
    assert campaign.hear(approved=1).word == (0, Phase.CANARY)


@pytest.mark.parametrize(
    ("steps", "step"),
    [((0.01, 1.0), 0), ((0.02, 0.06, 1.0), 0), ((0.01, 0.02, 0.05, 0.5, 1.0), 2), ((0.1, 1.0), 0)],
)
def test_other_steps_never_release_what_was_not_tried(steps: tuple[float, ...], step: int) -> None:
    campaign = Campaign().at_step(1)
    canary = msgspec.structs.replace(CANARY, steps=steps)
    campaign.law = campaign_rules_of(policy(canary=canary, reputation=REPUTATION))
    assert campaign.hear(approved=1).word == (step, Phase.CANARY)
    assert campaign.book.released == steps[step]


def test_what_is_fully_released_stays_so_under_other_steps() -> None:
    campaign = Campaign().at_step(3)
    canary = msgspec.structs.replace(CANARY, steps=(0.5, 1.0))
    campaign.law = campaign_rules_of(policy(canary=canary, reputation=REPUTATION))
    assert campaign.hear(approved=1).word == (1, Phase.FULL)


# --- keeping and telling --------------------------------------------------------------------------


def test_a_campaign_is_forgotten_90_days_after_it_was_last_heard_of() -> None:
    campaign = Campaign().hear(approved=200, delivered=200, complaints=9).wait(HOLD)
    last_ms = campaign.book.noted_ms
    assert next_review_ms(campaign.book, LAW, campaign.now_ms) == last_ms + FORGET_AFTER_MS
    assert not is_forgotten(campaign.book, last_ms + FORGET_AFTER_MS - 1)
    assert is_forgotten(campaign.book, last_ms + FORGET_AFTER_MS)
    assert FORGET_AFTER_MS == 90 * DAY


def test_a_review_is_never_asked_for_in_the_past() -> None:
    book, late_ms = Campaign(size=500).book, NOON + 100 * DAY
    assert next_review_ms(book, LAW, late_ms) == late_ms + 1


def test_of_nothing_there_is_nothing_to_review() -> None:
    assert next_review_ms(CampaignState(), LAW, NOON) is None
    assert load(None) == CampaignState()


def test_the_status_shows_the_numbers_that_it_rests_on() -> None:
    campaign = Campaign().hear(approved=400, delivered=300, complaints=1, opt_outs=1)
    status = status_of(campaign.book, LAW, NOON)
    assert (status.phase, status.released, status.size) == (Phase.CANARY, 0.01, 48_000)
    assert (status.approved, status.delivered, status.complaints) == (400, 300, 1.5)
    assert status.complaint_rate == 0.005
    assert status.complaint_rate_low is not None
    assert status.complaint_rate_high is not None
    assert status.complaint_rate_low < 0.005 < status.complaint_rate_high
    assert (status.stepped_at_ms, status.next_step_ms) == (NOON, NOON + 2 * HOLD)


def test_the_status_tells_no_rate_of_nothing_and_no_step_that_is_not_under_way() -> None:
    status = status_of(Campaign().book, LAW, NOON)
    rates = (status.complaint_rate, status.complaint_rate_low, status.complaint_rate_high)
    assert rates == (None, None, None)
    assert status.next_step_ms is None
    full = Campaign().at_step(3)
    assert status_of(full.book, LAW, full.now_ms).next_step_ms is None


def test_a_busy_campaigns_book_stays_small() -> None:
    campaign = Campaign(size=10**9).hear(
        approved=10**9, delivered=10**9, complaints=10**6, blocks=10**6, opt_outs=10**6
    )
    assert len(dump(campaign.book)) <= 100


def test_a_book_of_the_first_version_can_be_read_for_ever() -> None:
    golden = bytes.fromhex(GOLDEN)
    assert load(golden) == CampaignState(
        1, 48_000, Phase.PAUSED, 1, 0.05, NOON, NOON, NOON, NOON, 5, 4, 3, 2, 1
    )
    assert load(dump(load(golden))) == load(golden)


GOLDEN: Final = (
    "9e01cdbb80a670617573656401cb3fa999999999999acf000001a1ee873200cf000001a1ee873200"
    "cf000001a1ee873200cf000001a1ee8732000504030201"
)


def test_what_is_told_between_partitions_keeps_its_form() -> None:
    word, facts = (
        CampaignRelease(0.5, Phase.PAUSED, 9),
        CampaignFacts(NOON, 48_000, 1, 2, 3, 4, 5, 6),
    )
    encode, decode = msgspec.msgpack.encode, msgspec.msgpack.decode
    assert encode(word) == b"\x94\xcb\x3f\xe0\0\0\0\0\0\0\xa6paused\x09\xc2"
    assert decode(encode(word), type=CampaignRelease) == word
    assert decode(encode(facts)) == [NOON, 48_000, 1, 2, 3, 4, 5, 6]
    assert decode(encode(facts), type=CampaignFacts) == facts


COUNTS = st.fixed_dictionaries(
    {
        "approved": st.integers(0, 300),
        "delivered": st.integers(0, 300),
        "complaints": st.integers(0, 3),
        "opt_outs": st.integers(0, 2),
    }
)


@given(st.lists(st.tuples(COUNTS, st.integers(0, 2 * HOUR)), max_size=25), st.booleans())
def test_what_is_released_never_shrinks_and_no_step_is_skipped(
    told: list[tuple[dict[str, int], int]],
    judged: bool,  # noqa: FBT001 - drawn
) -> None:
    campaign = Campaign(LAW if judged else BY_TIME)
    for counts, gap_ms in told:
        before, was = campaign.book.step, campaign.book.phase
        campaign.hear(**counts)
        assert before <= campaign.book.step <= before + 1
        heard = campaign.book.step
        campaign.wait(gap_ms)
        assert heard <= campaign.book.step <= heard + gap_ms // HOLD + 1
        if was is Phase.KILLED:
            assert campaign.word == (before, Phase.KILLED)
        if campaign.book.phase in {Phase.CANARY, Phase.FULL}:
            assert (campaign.book.phase is Phase.FULL) == (campaign.book.released == 1.0)


# --- that it works --------------------------------------------------------------------------------

CASES: Final = 100


@pytest.mark.parametrize(("size", "hours"), [(2_000, 3.1), (48_000, 2.1), (200_000, 2.1)])
def test_a_good_campaign_is_fully_released_in_99_of_100_cases(size: int, hours: float) -> None:
    played = [canaries.play(size, 0.0005, seed) for seed in range(CASES)]
    soon = [one.full_min for one in played if one.approved == 1.0 and one.full_min is not None]
    assert len(soon) >= 0.99 * CASES
    assert sorted(soon)[CASES // 2] <= hours * 60


@pytest.mark.parametrize(("size", "share"), [(5_000, 0.2), (20_000, 0.05), (48_000, 0.05)])
def test_a_campaign_of_2_percent_is_stopped_before_most_get_it(size: int, share: float) -> None:
    played = [canaries.play(size, 0.02, seed) for seed in range(CASES)]
    assert all(one.phase is Phase.KILLED for one in played)
    assert max(one.approved for one in played) <= share


@pytest.mark.parametrize(
    ("size", "rate", "delay_min"),
    [
        *((size, rate, canaries.DELAY_MIN) for size in (2_000, 48_000) for rate in canaries.RATES),
        (48_000, 0.006, 60),
        (48_000, 0.02, 60),
    ],
)
def test_the_figures_in_the_docs_are_the_programs(size: int, rate: float, delay_min: float) -> None:
    docs = (ROOT / "docs" / "canary.md").read_text(encoding="utf-8")
    assert f"\n{canaries.row(size, rate, delay_min)}\n" in docs
