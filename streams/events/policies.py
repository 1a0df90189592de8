"""The event that carries a policy's document; `policy.parse` reads the document."""

from __future__ import annotations

from typing import Any, Final, Literal

from streams.events.envelope import Envelope

POLICY_TYPE: Final = "decorum.policy.v1"


class PolicyEvent(Envelope, frozen=True, kw_only=True):
    """The envelope; `data` is the document."""

    type: Literal["decorum.policy.v1"]
    data: Any = None
