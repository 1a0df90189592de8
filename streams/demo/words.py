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
        "has had enough of this kind",
        "nothing, it waits; `deadline_ms` if it spoils, `if_not_now: deny` to hear at once",
    ),
    Reason.ACCOUNT_WINDOW_FULL: Words(
        "has had enough from this account", "nothing, it waits; or ask by another account"
    ),
    Reason.MIN_GAP: Words("was written to just now", "nothing, it waits for the gap to pass"),
    Reason.QUIET_HOURS: Words("is asleep", "nothing, it goes in the morning, by `priority`"),
    Reason.SILENCE_BACKOFF: Words(
        "never answers this account", "write less, and what is worth an answer"
    ),
    Reason.NOT_YET: Words("is not to be told yet", "nothing, the producer said `not_before_ms`"),
    Reason.NO_CONSENT: Words("opted out", "take the customer off the list"),
    Reason.SUPPRESSED: Words("complained or blocked", "leave the customer in peace"),
    Reason.NOT_FRIEND: Words("is no contact of the account", "ask by an account that knows them"),
    Reason.NO_REPLY_CREDIT: Words(
        "did not ask, or has been answered", "wait for a message before you answer"
    ),
    Reason.DEADLINE_PASSED: Words("would get it too late", "ask sooner, or with more time"),
    Reason.TOO_MANY_HELD: Words("has too much waiting", "ask for less, or with more `priority`"),
    Reason.SLOT_RESERVED: Words(
        "has one slot left, for the urgent", "nothing, it waits; a higher `priority` if true"
    ),
    Reason.TRANSFER_LIMIT: Words("was handed over too often", "keep the customer"),
    Reason.HOLDOUT: Words("is in the control group", "nothing, it measures your messages' worth"),
    Reason.CONTROL: Words("is shielded by an operator", "ask the operator, `decorum control`"),
}
"""Each meaning goes on from "the customer …"; reasons not listed are told by their name."""
