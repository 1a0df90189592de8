"""The limits of accounts, campaigns and enterprises, and each change of an account's.

Rules of this file: the core's values with their address before them and their policy and time
behind, in the contract's order; an absent value is left out. An event's `id` is the name of its
type and a digest of its `data`: each change has its own, so a reader can drop a repeat.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

import msgspec

from streams.events.envelope import encode_event

if TYPE_CHECKING:
    from streams.core.account.limits import Change, Limits
    from streams.core.campaign_state import CampaignStatus
    from streams.core.enterprise import EnterpriseStatus

_ID_BYTES: Final = 16

_FIGURES: Final = (
    "delivered",
    "complaints",
    "complaint_rate",
    "complaint_rate_low",
    "complaint_rate_high",
    "reply_rate",
)
"""The figures that a change rests on, of those that `Limits` has."""

_encode = msgspec.json.Encoder().encode


def encode_account_limits(
    enterprise: str, account: str, limits: Limits, policy_version: int, updated_at_ms: int
) -> bytes:
    """An account's limits now: `decorum.account_limits.v1`; the newest of its key holds."""
    data: dict[str, Any] = {
        "enterprise_id": enterprise,
        "account_id": account,
        **_present(limits),
        "policy_version": policy_version,
        "updated_at_ms": updated_at_ms,
    }
    return _event("account_limits", account, updated_at_ms, data)


def encode_limit_change(
    enterprise: str, account: str, change: Change, policy_version: int, changed_at_ms: int
) -> bytes:
    """One change and the figures it rests on: `decorum.limit_change.v1`.

    `before` and `after` may be null, as for the end of a pause without end.
    """
    figures = _present(change.limits)
    data: dict[str, Any] = {
        "enterprise_id": enterprise,
        "account_id": account,
        "what": change.what,
        "before": change.before,
        "after": change.after,
        "reason": change.reason,
        **{name: figures[name] for name in _FIGURES if name in figures},
        "policy_version": policy_version,
        "changed_at_ms": changed_at_ms,
    }
    return _event("limit_change", account, changed_at_ms, data)


def encode_campaign_status(
    enterprise: str, campaign: str, status: CampaignStatus, policy_version: int, updated_at_ms: int
) -> bytes:
    """A campaign's status: `decorum.campaign_status.v1`; the newest of its key holds."""
    data: dict[str, Any] = {
        "enterprise_id": enterprise,
        "campaign_id": campaign,
        **_present(status),
        "policy_version": policy_version,
        "updated_at_ms": updated_at_ms,
    }
    return _event("campaign_status", campaign, updated_at_ms, data)


def encode_enterprise_limits(
    enterprise: str, status: EnterpriseStatus, policy_version: int, updated_at_ms: int
) -> bytes:
    """An enterprise's limits: `decorum.enterprise_limits.v1`; the newest of its key holds."""
    data: dict[str, Any] = {
        "enterprise_id": enterprise,
        **_present(status),
        "policy_version": policy_version,
        "updated_at_ms": updated_at_ms,
    }
    return _event("enterprise_limits", enterprise, updated_at_ms, data)


def _present(values: msgspec.Struct) -> dict[str, Any]:
    """The fields that have a value, in their order; core and contract use the same names."""
    return {name: one for name, one in msgspec.structs.asdict(values).items() if one is not None}


def _event(name: str, subject: str, at_ms: int, data: dict[str, Any]) -> bytes:
    raw = _encode(data)
    event_id = f"{name}.{blake2b(raw, digest_size=_ID_BYTES).hexdigest()}"
    return encode_event(event_id, f"decorum.{name}.v1", at_ms, subject, msgspec.Raw(raw))
