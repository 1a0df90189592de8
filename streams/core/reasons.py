"""Every outcome and reason of a decision, which of them are temporary, and WeCom's error codes.

Rules of this file: names only, fixed by the contract. `docs/producers.md` explains each reason to
producers, and a test holds that it leaves none out.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Outcome(StrEnum):
    """What becomes of one intent for one customer."""

    # Hashed for every decision: a string's hash is C, an enum's is Python.
    __hash__ = str.__hash__

    APPROVED = "approved"
    DENIED = "denied"
    DEFERRED = "deferred"
    DUPLICATE = "duplicate"
    HELD_OUT = "held_out"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class Reason(StrEnum):
    """Why; in the contract's order."""

    __hash__ = str.__hash__

    OK = "ok"
    WINDOW_FULL = "window_full"
    ACCOUNT_WINDOW_FULL = "account_window_full"
    MIN_GAP = "min_gap"
    QUIET_HOURS = "quiet_hours"
    NO_CONSENT = "no_consent"
    SUPPRESSED = "suppressed"
    NOT_FRIEND = "not_friend"
    NO_REPLY_CREDIT = "no_reply_credit"
    SILENCE_BACKOFF = "silence_backoff"
    ACCOUNT_PAUSED = "account_paused"
    ACCOUNT_CEILING = "account_ceiling"
    DAILY_ADD_QUOTA = "daily_add_quota"
    ACCOUNT_PACING = "account_pacing"
    ENTERPRISE_CEILING = "enterprise_ceiling"
    CAMPAIGN_CANARY = "campaign_canary"
    CAMPAIGN_PAUSED = "campaign_paused"
    SLOT_RESERVED = "slot_reserved"
    TOO_MANY_HELD = "too_many_held"
    TRANSFER_LIMIT = "transfer_limit"
    TAKER_AT_CEILING = "taker_at_ceiling"
    TAKER_UNAVAILABLE = "taker_unavailable"
    ACCOUNT_RESIGNED = "account_resigned"
    CONTROL = "control"
    HOLDOUT = "holdout"
    DEADLINE_PASSED = "deadline_passed"
    NOT_YET = "not_yet"
    DUPLICATE = "duplicate"


TOO_EARLY: Final = frozenset(
    {
        Reason.WINDOW_FULL,
        Reason.ACCOUNT_WINDOW_FULL,
        Reason.MIN_GAP,
        Reason.QUIET_HOURS,
        Reason.SILENCE_BACKOFF,
        Reason.SLOT_RESERVED,
        Reason.NOT_YET,
        Reason.ACCOUNT_PAUSED,
        Reason.ACCOUNT_PACING,
        Reason.DAILY_ADD_QUOTA,
        Reason.CAMPAIGN_CANARY,
        Reason.CAMPAIGN_PAUSED,
        Reason.CONTROL,
    }
)
"""Temporary reasons: the outcome is `deferred`, or `denied` for `if_not_now: deny`. All others are
permanent."""

# WeCom's codes (developer.work.weixin.qq.com, document/path/90455), for the reasons it knows.
AT_CEILING: Final = 40099
CREDIT_USED_UP: Final = 95001
CREDIT_OVER: Final = 95002
TRANSFER_UNDER_WAY: Final = 40100
TRANSFERRED_TOO_OFTEN: Final = 40128
ALREADY_THEIRS: Final = 40130
