"""The denials that waiting cannot end."""

from __future__ import annotations

import pytest

from streams.core.kinds import Kind, mask_of
from streams.core.policy import FOREVER, Holdout, QuietHours, Reply, Suppression
from streams.core.stats import share_of
from tests.unit.core.person import (
    DAY,
    DISTURBING,
    HOUR,
    MARKETING,
    NOON,
    Person,
    kinds,
    ms,
    policy,
    rolling,
    validity,
)

DISTURBING_KINDS = [Kind.DIRECT, Kind.BROADCAST, Kind.MOMENT, Kind.FRIEND_REQUEST]
OTHER_KINDS = [Kind.REPLY, Kind.TRANSACTIONAL, Kind.TRANSFER]


# --- deadline -------------------------------------------------------------------------------------


@pytest.mark.rule("R5.11")
def test_deadline_is_the_last_useful_millisecond() -> None:
    person = Person(policy())
    assert person.ask(Kind.DIRECT, deadline_ms=NOON).outcome == "approved"
    late = person.ask(Kind.DIRECT, deadline_ms=NOON - 1)
    assert (late.outcome, late.reason) == ("expired", "deadline_passed")


# --- consent --------------------------------------------------------------------------------------

ASK_FIRST = policy(ask_first=kinds(Kind.DIRECT))


@pytest.mark.rule("R4.9")
def test_consent_is_needed_first_for_the_kinds_that_ask() -> None:
    person = Person(ASK_FIRST)
    verdict = person.ask(Kind.DIRECT)
    assert (verdict.outcome, verdict.reason) == ("denied", "no_consent")
    assert verdict.eligible_at_ms is None
    assert person.ask(Kind.BROADCAST).outcome == "approved"
    person.consents(kinds=["direct"])
    assert person.ask(Kind.DIRECT).outcome == "approved"


@pytest.mark.rule("R4.6")
@pytest.mark.parametrize("kind", [*DISTURBING_KINDS, Kind.TRANSACTIONAL])
def test_opt_out_acts_on_the_very_next_decision(kind: Kind) -> None:
    person = Person(policy(ask_first=0))
    person.consents(allowed=False)
    assert person.ask(kind).reason == "no_consent"
    person.after(1).consents(allowed=True)
    assert person.ask(kind).outcome == "approved"


@pytest.mark.rule("R4.7")
@pytest.mark.parametrize("kind", [Kind.REPLY, Kind.TRANSFER])
def test_opt_out_does_not_bind(kind: Kind) -> None:  # a reply is consent-free
    person = Person(policy(ask_first=127))
    person.consents(allowed=False)
    assert person.ask(kind).outcome == "approved"


@pytest.mark.rule("R4.8")
def test_opt_out_of_some_kinds_leaves_the_others() -> None:
    person = Person(policy(ask_first=0))
    person.consents(kinds=["broadcast", "moment"], allowed=False)
    assert person.ask(Kind.MOMENT).reason == "no_consent"
    assert person.ask(Kind.DIRECT).outcome == "approved"


@pytest.mark.rule("R4.22", "R9.2")
@pytest.mark.parametrize("kind", [*DISTURBING_KINDS, Kind.TRANSACTIONAL])
def test_a_no_is_heard_though_consent_is_unwritten(kind: Kind) -> None:
    person = Person(policy())
    assert person.ask(kind).outcome == "approved"
    person.consents(allowed=False)
    assert person.ask(kind).reason == "no_consent"
    person.after(1).consents(allowed=True)
    assert person.ask(kind).outcome == "approved"


@pytest.mark.rule("R4.7")
def test_opt_out_beats_everything_but_reply() -> None:
    law = policy(
        rolling(1, DAY),
        ask_first=0,
        suppression=Suppression(kinds=DISTURBING, account_ms=FOREVER, enterprise_ms=FOREVER),
        quiet_hours=QuietHours(kinds=DISTURBING, from_ms=0, to_ms=23 * HOUR),
        holdout=Holdout(share=1.0, kinds=MARKETING),
    )
    person = Person(law)
    person.complained()
    person.consents(allowed=False)
    assert person.ask(Kind.DIRECT).reason == "no_consent"


# --- suppression ----------------------------------------------------------------------------------

WECOM = Suppression(kinds=DISTURBING, account_ms=FOREVER, enterprise_ms=30 * DAY)


@pytest.mark.rule("R4.10")
@pytest.mark.parametrize("hurt", ["complained", "blocked"])
@pytest.mark.parametrize("kind", DISTURBING_KINDS)
def test_suppression_of_the_account_forever_and_of_the_enterprise_30_days(
    kind: Kind, hurt: str
) -> None:
    person = Person(policy(suppression=WECOM))
    getattr(person, hurt)(account="a")
    own = person.ask(kind, "a")
    assert (own.outcome, own.reason, own.eligible_at_ms) == ("denied", "suppressed", None)
    other = person.at(NOON + 30 * DAY - 1).ask(kind, "b")
    assert (other.reason, other.eligible_at_ms) == ("suppressed", NOON + 30 * DAY)
    person.at(NOON + 30 * DAY)
    assert person.ask(kind, "b").outcome == "approved"
    assert person.at(NOON + 3650 * DAY).ask(kind, "a").reason == "suppressed"


@pytest.mark.rule("R4.10")
@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_suppression_binds_no_other_kind(kind: Kind) -> None:
    everything = Suppression(kinds=127, account_ms=FOREVER, enterprise_ms=FOREVER)
    person = Person(policy(suppression=everything))
    person.complained()
    assert person.ask(kind).outcome == "approved"


@pytest.mark.rule("R4.10")
def test_suppression_counts_from_the_latest_complaint() -> None:
    month = Suppression(kinds=DISTURBING, account_ms=30 * DAY, enterprise_ms=DAY)
    person = Person(policy(suppression=month))
    person.complained(NOON)
    person.complained(NOON - HOUR)
    assert person.ask(Kind.DIRECT).eligible_at_ms == NOON + 30 * DAY
    assert person.ask(Kind.DIRECT, "b").eligible_at_ms == NOON + DAY


def test_suppression_by_a_complaint_whose_producer_knew_no_time() -> None:
    """`occurred_at_ms` 0 is a valid time, and forever is for ever."""
    person = Person(policy(suppression=WECOM))
    person.complained(0)
    assert person.ask(Kind.DIRECT).reason == "suppressed"


@pytest.mark.rule("R4.10")
def test_suppression_outlives_what_is_forgotten() -> None:
    person = Person(policy(suppression=WECOM))
    person.complained()
    person.at(NOON + 29 * DAY)
    assert person.ask(Kind.DIRECT, "b").reason == "suppressed"


@pytest.mark.rule("R5.3")
def test_suppression_ends_where_everything_allows() -> None:
    """The earliest legal time is exact for customer-stage reasons, and 03:00 is not legal."""
    night = QuietHours(kinds=DISTURBING, from_ms=22 * HOUR, to_ms=8 * HOUR)
    law = policy(suppression=WECOM, quiet_hours=night)
    person = Person(law, ms("2026-11-18 03:00"))
    person.complained(account="b")
    assert person.ask(Kind.DIRECT).eligible_at_ms == ms("2026-12-18 08:00")


# --- friends --------------------------------------------------------------------------------------


@pytest.mark.rule("R4.11")
@pytest.mark.parametrize("kind", [Kind.DIRECT, Kind.BROADCAST, Kind.MOMENT])
def test_friends_required_refuses_unknown_pairs(kind: Kind) -> None:
    person = Person(policy(friends_required=True))
    assert person.ask(kind).reason == "not_friend"
    person.befriended(account="a")
    assert person.ask(kind).outcome == "approved"
    assert person.ask(kind, "b").reason == "not_friend"


@pytest.mark.rule("R4.11")
def test_friends_not_required_refuses_only_who_left() -> None:
    person = Person(policy(friends_required=False))
    assert person.ask(Kind.DIRECT).outcome == "approved"
    person.unfriended()
    assert person.ask(Kind.DIRECT).reason == "not_friend"


@pytest.mark.parametrize("kind", [Kind.FRIEND_REQUEST, *OTHER_KINDS])
def test_friends_bind_no_other_kind(kind: Kind) -> None:
    person = Person(policy(friends_required=True))
    person.unfriended()
    assert person.ask(kind).outcome == "approved"


@pytest.mark.rule("R4.8")
def test_friends_newest_word_holds_in_whatever_order_it_is_told() -> None:
    person = Person(policy(friends_required=False))
    person.unfriended(NOON)
    person.befriended(NOON - 1)
    assert person.ask(Kind.DIRECT).reason == "not_friend"
    person.after(1).befriended(NOON + 1)
    assert person.ask(Kind.DIRECT).outcome == "approved"


@pytest.mark.rule("R8.9")
def test_friends_handed_over_are_the_takers_and_no_longer_the_givers() -> None:
    person = Person(policy(friends_required=False))
    person.unfriended(NOON - 1, account="b")
    person.transferred("a", "b")
    assert person.ask(Kind.DIRECT, "a").reason == "not_friend"
    assert person.ask(Kind.DIRECT, "b").outcome == "approved"


@pytest.mark.rule("R9.2")
def test_friends_unwritten_are_not_governed() -> None:
    person = Person(policy())
    person.blocked()
    assert person.ask(Kind.DIRECT).outcome == "approved"


@pytest.mark.rule("R4.11")
def test_failed_as_not_friend_ends_the_friendship() -> None:
    person = Person(policy(friends_required=False))
    person.failed(person.approved(Kind.DIRECT), reason="not_friend")
    assert person.ask(Kind.DIRECT).reason == "not_friend"


# --- 10: reply credit -----------------------------------------------------------------------------

ANSWERING = policy(reply=Reply(credits=5, within_ms=2 * DAY), **validity(2 * DAY))


@pytest.mark.rule("R3.3")
def test_reply_without_a_message_is_95002() -> None:
    verdict = Person(ANSWERING).ask(Kind.REPLY)
    assert (verdict.outcome, verdict.reason) == ("denied", "no_reply_credit")
    assert (verdict.wecom_errcode, verdict.eligible_at_ms) == (95002, None)


@pytest.mark.rule("R3.1")
def test_reply_is_legal_from_the_message_until_just_before_its_end() -> None:
    person = Person(ANSWERING)
    person.wrote(NOON)
    assert person.ask(Kind.REPLY).outcome == "approved"
    assert person.at(NOON + 2 * DAY - 1).ask(Kind.REPLY).send_by_ms == person.now_ms
    assert person.after(1).ask(Kind.REPLY).wecom_errcode == 95002


@pytest.mark.rule("R3.1")
def test_reply_credit_counts_from_the_messages_own_time() -> None:
    person = Person(ANSWERING)
    person.wrote(NOON - 2 * DAY + 1)
    assert person.ask(Kind.REPLY).outcome == "approved"
    assert person.after(1).ask(Kind.REPLY).wecom_errcode == 95002


@pytest.mark.rule("R3.1", "R4.17")
def test_reply_credit_of_a_message_from_the_future_begins_now() -> None:
    person = Person(ANSWERING)
    person.wrote(NOON + DAY)
    assert person.at(NOON + 2 * DAY - 1).ask(Kind.REPLY).outcome == "approved"
    assert person.after(1).ask(Kind.REPLY).wecom_errcode == 95002


@pytest.mark.rule("R3.1", "R3.3")
def test_reply_credit_is_five_messages_then_95001() -> None:
    person = Person(ANSWERING)
    person.wrote()
    for _ in range(5):
        person.delivered(person.approved(Kind.REPLY))
    verdict = person.ask(Kind.REPLY)
    assert (verdict.outcome, verdict.wecom_errcode) == ("denied", 95001)


@pytest.mark.rule("R3.2")
def test_reply_credit_is_renewed_by_a_further_message() -> None:
    person = Person(ANSWERING)
    person.wrote()
    for _ in range(5):
        person.delivered(person.approved(Kind.REPLY))
    person.after(HOUR).wrote()
    for _ in range(5):
        person.approved(Kind.REPLY)
    assert person.ask(Kind.REPLY).wecom_errcode == 95001


@pytest.mark.rule("R3.2")
def test_reply_credit_is_not_moved_back_by_an_older_message() -> None:
    person = Person(ANSWERING)
    person.wrote(NOON)
    for _ in range(5):
        person.approved(Kind.REPLY)
    person.wrote(NOON - HOUR)
    assert person.ask(Kind.REPLY).wecom_errcode == 95001
    assert person.at(NOON + 2 * DAY - 1).ask(Kind.REPLY).wecom_errcode == 95001


@pytest.mark.rule("R3.4")
def test_failed_reply_gives_its_credit_back() -> None:
    person = Person(ANSWERING)
    person.wrote()
    replies = [person.approved(Kind.REPLY) for _ in range(5)]
    person.failed(replies[2])
    person.approved(Kind.REPLY)
    assert person.ask(Kind.REPLY).wecom_errcode == 95001


@pytest.mark.rule("R3.1")
def test_reply_credit_is_per_account() -> None:
    person = Person(ANSWERING)
    person.wrote(account="a")
    assert person.ask(Kind.REPLY, "b").wecom_errcode == 95002


@pytest.mark.rule("R8.8")
def test_reply_credit_of_the_taker_is_not_used_by_the_givers_replies() -> None:
    """A credit is per customer and account; a handover moves no replies onto another's."""
    person = Person(policy(reply=Reply(credits=1, within_ms=2 * DAY), **validity(HOUR)))
    person.wrote(NOON, account="b")
    person.wrote(NOON, account="a")
    person.after(1).delivered(person.approved(Kind.REPLY, "a"))
    person.after(1).transferred("a", "b")
    assert person.ask(Kind.REPLY, "b").outcome == "approved"


@pytest.mark.rule("R9.2")
def test_reply_unwritten_is_not_governed() -> None:
    assert Person(policy()).ask(Kind.REPLY).outcome == "approved"


# --- 11: transfers --------------------------------------------------------------------------------

HANDOVER = policy(rolling(2, 90 * DAY, kinds=kinds(Kind.TRANSFER), id="transfer-90d"))


@pytest.mark.rule("R8.2")
def test_transfer_under_way_is_40100() -> None:
    person = Person(HANDOVER)
    person.approved(Kind.TRANSFER)
    verdict = person.ask(Kind.TRANSFER)
    assert (verdict.outcome, verdict.reason) == ("denied", "transfer_limit")
    assert verdict.wecom_errcode == 40100


@pytest.mark.rule("R8.2")
def test_transfer_under_way_from_any_account_is_40100() -> None:
    person = Person(HANDOVER)
    person.approved(Kind.TRANSFER, "a")
    assert person.ask(Kind.TRANSFER, "b").wecom_errcode == 40100


@pytest.mark.rule("R8.3")
def test_transfer_that_was_never_heard_of_is_over_after_its_last_moment() -> None:
    person = Person(HANDOVER)
    person.approved(Kind.TRANSFER)
    assert person.at(NOON + DAY).ask(Kind.TRANSFER).wecom_errcode == 40100
    assert person.after(1).ask(Kind.TRANSFER).outcome == "approved"


@pytest.mark.rule("R8.3")
def test_transfer_that_was_sent_is_under_way_until_it_is_done_or_failed() -> None:
    person = Person(HANDOVER)
    person.delivered(person.approved(Kind.TRANSFER))
    assert person.ask(Kind.TRANSFER).wecom_errcode == 40100
    person.transfer_failed("a", "b")
    assert person.ask(Kind.TRANSFER).outcome == "approved"


@pytest.mark.rule("R8.4")
def test_transfer_counts_when_it_happened_not_when_it_was_told() -> None:
    person = Person(policy(rolling(1, 9 * DAY)))
    person.approved(Kind.TRANSFER, "a")
    person.after(HOUR).transferred("a", "b", NOON + 1)
    assert person.ask(Kind.TRANSFER, "b").eligible_at_ms == NOON + 1 + 9 * DAY


@pytest.mark.rule("R8.1", "R1.13")
def test_transfer_limit_reached_is_40128() -> None:
    person = Person(HANDOVER)
    person.approved(Kind.TRANSFER, "a")
    person.transferred("a", "b")
    person.after(DAY).approved(Kind.TRANSFER, "b")
    person.transferred("b", "c")
    verdict = person.ask(Kind.TRANSFER, "c")
    assert (verdict.reason, verdict.wecom_errcode) == ("transfer_limit", 40128)
    assert (verdict.rule, verdict.eligible_at_ms) == ("transfer-90d", NOON + 90 * DAY)
    assert person.at(NOON + 90 * DAY - 1).ask(Kind.TRANSFER, "c").wecom_errcode == 40128
    assert person.after(1).ask(Kind.TRANSFER, "c").outcome == "approved"


@pytest.mark.rule("R8.4")
def test_transfer_that_failed_does_not_count() -> None:
    person = Person(HANDOVER)
    for _ in range(3):
        person.approved(Kind.TRANSFER)
        person.transfer_failed("a", "b")
    assert person.ask(Kind.TRANSFER).remaining == {"transfer-90d": 1}


@pytest.mark.rule("R8.1")
def test_transfer_earliest_time_heeds_every_window() -> None:
    """All windows would have to allow it, not the first that fails alone."""
    law = policy(rolling(1, DAY, id="day"), rolling(1, 9 * DAY, id="nine"))
    person = Person(law)
    person.approved(Kind.TRANSFER, "a")
    person.transferred("a", "b")
    verdict = person.ask(Kind.TRANSFER, "b")
    assert (verdict.rule, verdict.eligible_at_ms) == ("day", NOON + 9 * DAY)


# --- holdout --------------------------------------------------------------------------------------


@pytest.mark.rule("R7.7")
def test_holdout_keeps_a_stable_share_free_of_marketing() -> None:
    law = policy(holdout=Holdout(share=0.02, kinds=MARKETING))
    people = [Person(law, customer=f"wm-{number}") for number in range(5_000)]
    held = {p.customer for p in people if p.ask(Kind.BROADCAST).outcome == "held_out"}
    assert 70 <= len(held) <= 130  # 100 expected; three standard deviations are 30
    again = {p.customer for p in people if p.at(NOON + DAY).ask(Kind.MOMENT).outcome == "held_out"}
    assert again == held


@pytest.mark.rule("R7.7")
def test_holdout_says_so_and_binds_only_its_kinds() -> None:
    person = Person(policy(holdout=Holdout(share=1.0, kinds=mask_of([Kind.BROADCAST]))))
    verdict = person.ask(Kind.BROADCAST)
    assert (verdict.outcome, verdict.reason) == ("held_out", "holdout")
    assert person.ask(Kind.DIRECT).outcome == "approved"


@pytest.mark.rule("R7.7")
@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_holdout_never_binds(kind: Kind) -> None:  # rules.md 7: free of marketing
    person = Person(policy(holdout=Holdout(share=1.0, kinds=127)))
    assert person.ask(kind).outcome == "approved"


def test_shares_of_different_salts_are_independent() -> None:
    names = [f"wm-{number}" for number in range(2_000)]
    both = [n for n in names if share_of("holdout", n) < 0.5 and share_of("canary", n) < 0.5]
    assert 430 <= len(both) <= 570
    assert all(0 <= share_of("holdout", name) < 1 for name in names)
