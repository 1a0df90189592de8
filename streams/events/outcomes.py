"""What leaves the engine about one intent and one customer: decisions and approved messages.

Rules of this file: plain values in, bytes out, in the contract's order of fields; what is absent
is left out, never null. Callers pass checked values: nothing is validated here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from orjson import dumps

from streams.events.timestamps import rfc3339

if TYPE_CHECKING:
    from collections.abc import Mapping

DECISION_TYPE: Final = "decorum.decision.v1"
APPROVED_TYPE: Final = "decorum.approved.v1"
SOURCE: Final = "decorum"
"""The `source` of every event that the engine makes."""


def encode_decision(  # noqa: PLR0913 - one argument for each field of the contract
    *,
    decision_id: str,
    intent_id: str,
    intent_source: str,
    enterprise_id: str,
    account_id: str,
    customer_id: str,
    kind: str,
    priority: int,
    outcome: str,
    reason: str,
    policy: str,
    policy_version: int,
    stage: str,
    decided_at_ms: int,
    campaign_id: str | None = None,
    rule: str | None = None,
    eligible_at_ms: int | None = None,
    send_by_ms: int | None = None,
    remaining: Mapping[str, int] | None = None,
    wecom_errcode: int | None = None,
    shadow: Mapping[str, str] | None = None,
) -> bytes:
    """A decision, or a later change of it.

    The event's `id` is `<decision_id>.<outcome>.<decided_at_ms>`: each change has its own, and a
    reader that sees one twice can drop it. `shadow` maps a shadow rule to its reason to refuse.
    """
    data: dict[str, Any] = {
        "decision_id": decision_id,
        "intent_id": intent_id,
        "intent_source": intent_source,
        "enterprise_id": enterprise_id,
        "account_id": account_id,
        "customer_id": customer_id,
    }
    if campaign_id is not None:
        data["campaign_id"] = campaign_id
    data["kind"] = kind
    data["priority"] = priority
    data["outcome"] = outcome
    data["reason"] = reason
    if rule is not None:
        data["rule"] = rule
    data["policy"] = policy
    data["policy_version"] = policy_version
    data["stage"] = stage
    data["decided_at_ms"] = decided_at_ms
    if eligible_at_ms is not None:
        data["eligible_at_ms"] = eligible_at_ms
    if send_by_ms is not None:
        data["send_by_ms"] = send_by_ms
    if remaining is not None:
        data["remaining"] = remaining
    if wecom_errcode is not None:
        data["wecom_errcode"] = wecom_errcode
    if shadow is not None:
        data["shadow"] = shadow
    event_id = f"{decision_id}.{outcome}.{decided_at_ms}"
    return _event(event_id, DECISION_TYPE, decided_at_ms, customer_id, data)


def encode_approved(  # noqa: PLR0913 - one argument for each field of the contract
    *,
    decision_id: str,
    intent_id: str,
    enterprise_id: str,
    account_id: str,
    customer_id: str,
    kind: str,
    priority: int,
    decided_at_ms: int,
    send_by_ms: int,
    campaign_id: str | None = None,
    content_ref: str | None = None,
    attributes: Mapping[str, str] | None = None,
    to_account_id: str | None = None,
) -> bytes:
    """A message that may be sent until `send_by_ms`; the event's `id` is the `decision_id`."""
    data: dict[str, Any] = {
        "decision_id": decision_id,
        "intent_id": intent_id,
        "enterprise_id": enterprise_id,
        "account_id": account_id,
        "customer_id": customer_id,
    }
    if campaign_id is not None:
        data["campaign_id"] = campaign_id
    data["kind"] = kind
    data["priority"] = priority
    if content_ref is not None:
        data["content_ref"] = content_ref
    if attributes is not None:
        data["attributes"] = attributes
    if to_account_id is not None:
        data["to_account_id"] = to_account_id
    data["decided_at_ms"] = decided_at_ms
    data["send_by_ms"] = send_by_ms
    return _event(decision_id, APPROVED_TYPE, decided_at_ms, customer_id, data)


def _event(
    event_id: str, event_type: str, at_ms: int, subject: str, data: Mapping[str, Any]
) -> bytes:
    return dumps(
        {
            "specversion": "1.0",
            "id": event_id,
            "source": SOURCE,
            "type": event_type,
            "time": rfc3339(at_ms),
            "subject": subject,
            "data": data,
        }
    )
