"""What leaves the engine about one intent and one customer: decisions and approved messages.

Rules of this file: plain values in, bytes out, in the order in which the caller names them (the
contract's); what is absent is left out, never null. Callers pass checked values: nothing is
validated here. Fields are collected as `**data`, because a call with twenty named parameters took
longer than all the encoding; the type checker still checks each one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NotRequired, TypedDict, Unpack, cast

from orjson import dumps

from streams.events.timestamps import rfc3339

if TYPE_CHECKING:
    from collections.abc import Mapping

DECISION_TYPE: Final = "decorum.decision.v1"
APPROVED_TYPE: Final = "decorum.approved.v1"
SOURCE: Final = "decorum"
"""The `source` of every event that the engine makes."""


class Decision(TypedDict):
    """The `data` of a decision; `shadow` maps a shadow rule to its reason to refuse."""

    decision_id: str
    intent_id: str
    intent_source: str
    enterprise_id: str
    account_id: str
    customer_id: str
    campaign_id: NotRequired[str | None]
    kind: str
    priority: int
    outcome: str
    reason: str
    rule: NotRequired[str | None]
    policy: str
    policy_version: int
    stage: str
    decided_at_ms: int
    eligible_at_ms: NotRequired[int | None]
    send_by_ms: NotRequired[int | None]
    remaining: NotRequired[Mapping[str, int] | None]
    wecom_errcode: NotRequired[int | None]
    shadow: NotRequired[Mapping[str, str] | None]


class Approved(TypedDict):
    """The `data` of an approved message."""

    decision_id: str
    intent_id: str
    enterprise_id: str
    account_id: str
    customer_id: str
    campaign_id: NotRequired[str | None]
    kind: str
    priority: int
    content_ref: NotRequired[str | None]
    attributes: NotRequired[Mapping[str, str] | None]
    to_account_id: NotRequired[str | None]
    decided_at_ms: int
    send_by_ms: int


OPTIONAL_OF_DECISION: Final = (
    "campaign_id",
    "rule",
    "eligible_at_ms",
    "send_by_ms",
    "remaining",
    "wecom_errcode",
    "shadow",
)
OPTIONAL_OF_APPROVED: Final = ("campaign_id", "content_ref", "attributes", "to_account_id")


def encode_decision(**data: Unpack[Decision]) -> bytes:
    """A decision, or a later change of it.

    The event's `id` is `<decision_id>.<outcome>.<decided_at_ms>`: each change has its own, and a
    reader that sees one twice can drop it.
    """
    event_id = f"{data['decision_id']}.{data['outcome']}.{data['decided_at_ms']}"
    return _event(event_id, DECISION_TYPE, data, OPTIONAL_OF_DECISION)


def encode_approved(**data: Unpack[Approved]) -> bytes:
    """A message that may be sent until `send_by_ms`; the event's `id` is the `decision_id`."""
    return _event(data["decision_id"], APPROVED_TYPE, data, OPTIONAL_OF_APPROVED)


def _event(
    event_id: str, event_type: str, data: Decision | Approved, optional: tuple[str, ...]
) -> bytes:
    fields = cast("dict[str, Any]", data)
    for name in optional:
        if name in fields and fields[name] is None:
            del fields[name]
    return dumps(
        {
            "specversion": "1.0",
            "id": event_id,
            "source": SOURCE,
            "type": event_type,
            "time": rfc3339(data["decided_at_ms"]),
            "subject": data["customer_id"],
            "data": fields,
        }
    )
