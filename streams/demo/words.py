"""Reasons and outcomes in words for somebody who sees them for the first time."""

from __future__ import annotations

from typing import Final, NamedTuple

from streams.core.reasons import Reason


class Words(NamedTuple):
    """What a reason means, and what the producer can do about it."""

    meaning: str
    advice: str


WORDS: Final[dict[str, Words]] = {
    Reason.WINDOW_FULL: Words(
        "the customer has had enough of this kind",
        "nothing, it waits; `deadline_ms` if it spoils, `if_not_now: deny` to hear at once",
    ),
    Reason.ACCOUNT_WINDOW_FULL: Words(
        "the customer has had enough from this account",
        "nothing, it waits; or ask by another account",
    ),
    Reason.MIN_GAP: Words(
        "the customer was written to just now", "nothing, it waits for the gap to pass"
    ),
    Reason.QUIET_HOURS: Words(
        "the customer is asleep", "nothing, it goes in the morning, by `priority`"
    ),
    Reason.SILENCE_BACKOFF: Words(
        "the customer never answers this account", "write less, and what is worth an answer"
    ),
    Reason.NOT_YET: Words(
        "the customer is not to be told yet", "nothing, the producer said `not_before_ms`"
    ),
    Reason.NO_CONSENT: Words("the customer opted out", "take the customer off the list"),
    Reason.SUPPRESSED: Words("the customer complained or blocked", "leave the customer in peace"),
    Reason.NOT_FRIEND: Words(
        "the customer is no contact of the account", "ask by an account that knows them"
    ),
    Reason.NO_REPLY_CREDIT: Words(
        "the customer did not ask, or was answered",
        "wait for a message before you answer",
    ),
    Reason.DEADLINE_PASSED: Words(
        "the customer would get it too late", "ask sooner, or with more time"
    ),
    Reason.TOO_MANY_HELD: Words(
        "the customer has too much waiting", "ask for less, or with more `priority`"
    ),
    Reason.SLOT_RESERVED: Words(
        "the customer has one slot left, for the urgent",
        "nothing, it waits; a higher `priority` if true",
    ),
    Reason.TRANSFER_LIMIT: Words("the customer was handed over too often", "keep the customer"),
    Reason.HOLDOUT: Words(
        "the customer is in the control group", "nothing, it measures your messages' worth"
    ),
    Reason.CONTROL: Words("an operator has stopped it", "ask the operator, `decorum control`"),
    Reason.ACCOUNT_PACING: Words(
        "the account keeps its pace", "nothing, it goes in its turn; a red account must mend first"
    ),
    Reason.ACCOUNT_PAUSED: Words(
        "the account is paused: a burst of complaints",
        "look at what it sent; what waits goes on after the pause",
    ),
    Reason.ACCOUNT_CEILING: Words(
        "the account has all the contacts it may have", "ask by an account that has room"
    ),
    Reason.DAILY_ADD_QUOTA: Words(
        "the account asked enough people for today", "nothing, it goes tomorrow"
    ),
    Reason.ENTERPRISE_CEILING: Words(
        "the enterprise has all the contacts it may have", "ask the platform for more"
    ),
    Reason.CAMPAIGN_CANARY: Words(
        "the campaign is tried on a small share first", "nothing, the next share goes by itself"
    ),
    Reason.CAMPAIGN_PAUSED: Words(
        "the campaign was stopped: complaints", "write a better one, by a new name"
    ),
    Reason.ACCOUNT_RESIGNED: Words("the account is gone", "ask by another account"),
    Reason.TAKER_AT_CEILING: Words("the taking account has no room", "transfer to another"),
    Reason.TAKER_UNAVAILABLE: Words("the taking account is stopped", "transfer to another"),
}
"""Whom each reason is about, and why not; reasons not listed are told by their name."""
