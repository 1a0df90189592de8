"""What leaves the engine about limits: of accounts, campaigns and enterprises, and their changes.

Rules of this file: as in `outcomes`. An event's `id` is the name of its type and a digest of its
`data`: each change has its own, and a reader that sees one twice can drop it.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

import msgspec

from streams.core.account.limits import Change, Limits
from streams.core.campaign_state import CampaignStatus
from streams.core.enterprise import EnterpriseStatus
from streams.events.envelope import encode_event

_ID_BYTES: Final = 16


class AccountLimits(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The `data` of an account's present limits."""

    enterprise_id: str
    account_id: str
    grade: str
    relations: int
    relations_ceiling: int | None = None
    adds_today: int
    daily_add_ceiling: int | None = None
    broadcast_rate_per_s: float | None = None
    delivered: int | None = None
    complaints: float | None = None
    complaint_rate: float | None = None
    complaint_rate_low: float | None = None
    complaint_rate_high: float | None = None
    reply_rate: float | None = None
    paused_until_ms: int | None = None
    policy_version: int
    updated_at_ms: int


class LimitChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The `data` of one change of an account's limits.

    `before`, `after`: null where there is none, as the end of a pause without end.
    """

    enterprise_id: str
    account_id: str
    what: str
    before: int | str | None
    after: int | str | None
    reason: str
    delivered: int | None = None
    complaints: float | None = None
    complaint_rate: float | None = None
    complaint_rate_low: float | None = None
    complaint_rate_high: float | None = None
    reply_rate: float | None = None
    policy_version: int
    changed_at_ms: int


class CampaignLimits(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The `data` of a campaign's status."""

    enterprise_id: str
    campaign_id: str
    phase: str
    released: float
    size: int | None = None
    approved: int
    delivered: int
    complaints: float
    complaint_rate: float | None = None
    complaint_rate_low: float | None = None
    complaint_rate_high: float | None = None
    stepped_at_ms: int
    next_step_ms: int | None = None
    policy_version: int
    updated_at_ms: int


class EnterpriseLimits(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The `data` of an enterprise's limits."""

    enterprise_id: str
    relations: int
    relations_allowed: int | None = None
    room: int
    reply_rate: float | None = None
    policy_version: int
    updated_at_ms: int


_encode = msgspec.json.Encoder().encode


def encode_account_limits(
    enterprise: str, account: str, limits: Limits, policy_version: int, updated_at_ms: int
) -> bytes:
    """How an account stands; the newest of its key holds."""
    data = AccountLimits(
        enterprise_id=enterprise,
        account_id=account,
        policy_version=policy_version,
        updated_at_ms=updated_at_ms,
        **msgspec.structs.asdict(limits),
    )
    return _event("account_limits", account, updated_at_ms, data)


def encode_limit_change(
    enterprise: str, account: str, change: Change, policy_version: int, changed_at_ms: int
) -> bytes:
    """One change, with the numbers it rests on."""
    rests_on = change.limits
    data = LimitChange(
        enterprise_id=enterprise,
        account_id=account,
        what=change.what,
        before=change.before,
        after=change.after,
        reason=change.reason,
        delivered=rests_on.delivered,
        complaints=rests_on.complaints,
        complaint_rate=rests_on.complaint_rate,
        complaint_rate_low=rests_on.complaint_rate_low,
        complaint_rate_high=rests_on.complaint_rate_high,
        reply_rate=rests_on.reply_rate,
        policy_version=policy_version,
        changed_at_ms=changed_at_ms,
    )
    return _event("limit_change", account, changed_at_ms, data)


def encode_campaign_status(
    enterprise: str, campaign: str, status: CampaignStatus, policy_version: int, updated_at_ms: int
) -> bytes:
    """How a campaign stands; the newest of its key holds."""
    data = CampaignLimits(
        enterprise_id=enterprise,
        campaign_id=campaign,
        policy_version=policy_version,
        updated_at_ms=updated_at_ms,
        **msgspec.structs.asdict(status),
    )
    return _event("campaign_status", campaign, updated_at_ms, data)


def encode_enterprise_limits(
    enterprise: str, status: EnterpriseStatus, policy_version: int, updated_at_ms: int
) -> bytes:
    """How an enterprise stands; the newest of its key holds."""
    data = EnterpriseLimits(
        enterprise_id=enterprise,
        policy_version=policy_version,
        updated_at_ms=updated_at_ms,
        **msgspec.structs.asdict(status),
    )
    return _event("enterprise_limits", enterprise, updated_at_ms, data)


def _event(name: str, subject: str, at_ms: int, data: msgspec.Struct) -> bytes:
    raw = _encode(data)
    event_id = f"{name}.{blake2b(raw, digest_size=_ID_BYTES).hexdigest()}"
    return encode_event(event_id, f"decorum.{name}.v1", at_ms, subject, msgspec.Raw(raw))
