"""Decisions and approved messages: what the engine publishes about one intent and one customer.

Rules of this file: plain values in, bytes out, in the contract's order of fields; an absent value
is left out, never null. Callers pass checked values: nothing is validated here.
"""

from __future__ import annotations

from typing import Final

import msgspec

from streams.events.envelope import encode_event

DECISION_TYPE: Final = "decorum.decision.v1"
APPROVED_TYPE: Final = "decorum.approved.v1"


class Decision(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The `data` of a decision. `shadow`: for each shadow rule, the reason it would have given."""

    decision_id: str
    intent_id: str
    intent_source: str
    enterprise_id: str
    account_id: str
    customer_id: str
    campaign_id: str | None = None
    kind: str
    priority: int
    outcome: str
    reason: str
    rule: str | None = None
    policy: str
    policy_version: int
    stage: str
    decided_at_ms: int
    eligible_at_ms: int | None = None
    held_until_ms: int | None = None
    send_by_ms: int | None = None
    remaining: dict[str, int] | None = None
    wecom_errcode: int | None = None
    shadow: dict[str, str] | None = None


class Approved(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The `data` of an approved message, which may be sent until `send_by_ms`."""

    decision_id: str
    intent_id: str
    enterprise_id: str
    account_id: str
    customer_id: str
    campaign_id: str | None = None
    kind: str
    priority: int
    content_ref: str | None = None
    attributes: dict[str, str] | None = None
    to_account_id: str | None = None
    decided_at_ms: int
    send_by_ms: int


def encode_decision(data: Decision, before: int = 0) -> bytes:
    """A decision, or a later change of it; `before`: how many precede it in the same millisecond.

    The event's `id` is `<decision_id>.<outcome>.<decided_at_ms>`, with `.<before>` where that is
    not 0: each change has an `id` of its own, so a reader can drop a repeat.
    """
    at_ms = data.decided_at_ms
    event_id = f"{data.decision_id}.{data.outcome}.{at_ms}"
    if before:
        event_id += f".{before}"
    return encode_event(event_id, DECISION_TYPE, at_ms, data.customer_id, data)


def encode_approved(data: Approved) -> bytes:
    """An approved message; the event's `id` is the `decision_id`."""
    name, at_ms = data.decision_id, data.decided_at_ms
    return encode_event(name, APPROVED_TYPE, at_ms, data.customer_id, data)
