"""Controls: an operator's orders to the engine.

Rules of this file: shapes only. `core.controls` decides what a scope covers and which control wins.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from streams.core.kinds import KIND_NAMES
from streams.core.written import IDENTIFIER
from streams.events.envelope import Envelope
from streams.events.fields import Milliseconds

CONTROL_TYPE: Final = "decorum.control.v1"

SCOPE: Final = (
    rf"^(\*|{IDENTIFIER}(/(account|campaign)/{IDENTIFIER}|/kind/({'|'.join(KIND_NAMES)}))?)\Z"
)
"""`*`, or `enterprise`, alone or with `/account/NAME`, `/campaign/NAME`, `/kind/NAME` after it."""

SCOPE_WORDS: Final = (
    "a scope; write * (everything), ENTERPRISE, ENTERPRISE/account/NAME, ENTERPRISE/campaign/NAME "
    "or ENTERPRISE/kind/KIND, as in acme/account/xiaoer-08; KIND is one of " + ", ".join(KIND_NAMES)
)

Scope = Annotated[str, Meta(pattern=SCOPE, description=SCOPE_WORDS)]
Who = Annotated[str, Meta(min_length=1, max_length=128)]
Why = Annotated[str, Meta(min_length=1, max_length=500)]


class ControlData(msgspec.Struct, frozen=True, kw_only=True):
    """The order, its scope, who gave it and why; without `until_ms` it holds until `resume`."""

    action: Literal["pause", "resume", "brake"]
    scope: Scope
    by: Who
    why: Why
    until_ms: Milliseconds | None = None


class Control(Envelope, frozen=True, kw_only=True):
    """The event of a control."""

    type: Literal["decorum.control.v1"]
    data: ControlData
