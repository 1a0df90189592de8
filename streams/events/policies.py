"""A policy as it travels. What its document means is the core's affair (`policy.parse`)."""

from __future__ import annotations

from typing import Any, Final, Literal

from streams.events.envelope import Envelope

POLICY_TYPE: Final = "decorum.policy.v1"


class PolicyEvent(Envelope, frozen=True, kw_only=True):
    """Around the document there is nothing but the envelope."""

    type: Literal["decorum.policy.v1"]
    data: Any = None
