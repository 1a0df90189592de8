"""The packaged policies, cut down to what a test is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from streams.policy.files import packaged

if TYPE_CHECKING:
    from streams.core.policy import Policy


def profile(name: str = "wecom") -> Policy:
    """A packaged profile without its account's side, which other tests are about."""
    whole = packaged(name)[1]
    return replace(whole, reputation=None, ceilings=None, brake=None, pacing=None, canary=None)


def windows_of(name: str, *ids: str) -> Policy:
    """The windows of a packaged profile alone: all, or those of these ids."""
    whole = profile(name)
    kept = tuple(w for w in whole.windows if not ids or w.id in ids)
    assert {w.id for w in kept} >= set(ids)
    return replace(whole, windows=kept, silence=None, quiet_hours=None)
