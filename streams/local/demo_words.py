"""Reasons and outcomes in words for somebody who sees them for the first time."""

from __future__ import annotations

from typing import Final, NamedTuple

from streams.core.reasons import Reason


class Words(NamedTuple):
    """What a reason means, and what the producer can do about it."""

    meaning: str
    advice: str


WORDS: Final[dict[str, Words]] = {
    Reason.WINDOW_FULL: Words("had enough of this kind", "nothing: it waits, or set a deadline"),
    Reason.ACCOUNT_WINDOW_FULL: Words("had enough from this account", "nothing: it waits"),
    Reason.MIN_GAP: Words("too soon after the last one", "nothing: it waits"),
    Reason.QUIET_HOURS: Words("the customer's night", "nothing: it goes in the morning"),
    Reason.SILENCE_BACKOFF: Words("never answers this account", "say something worth answering"),
    Reason.NOT_YET: Words("the producer said not before", "nothing: it waits"),
    Reason.NO_CONSENT: Words("opted out", "take the customer off the list"),
    Reason.SUPPRESSED: Words("complained or blocked", "leave the customer alone"),
    Reason.NOT_FRIEND: Words("is no contact of the account", "choose another account"),
    Reason.NO_REPLY_CREDIT: Words("did not ask, or had all answers", "wait for their message"),
    Reason.DEADLINE_PASSED: Words("its time came too late", "a later deadline, or none"),
    Reason.TOO_MANY_HELD: Words("too much waits already", "ask for less"),
    Reason.SLOT_RESERVED: Words("kept for the more urgent", "a higher priority, if it is true"),
    Reason.TRANSFER_LIMIT: Words("handed over too often", "keep the customer"),
    Reason.HOLDOUT: Words("in the control group", "nothing: it measures your effect"),
    Reason.CONTROL: Words("stopped by an operator", "ask the operator"),
    Reason.DUPLICATE: Words("asked before", "nothing: the first answer counts"),
}
"""Reasons that a customer's own rules give; others are told by their name."""
