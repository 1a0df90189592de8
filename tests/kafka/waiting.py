"""Waiting for a condition instead of for a time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

PAUSE_S = 0.1


def until(true: Callable[[], bool], patience_s: float) -> None:
    """Return when it is true; fail after `patience_s` seconds."""
    give_up_at = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < give_up_at, f"still not true after {patience_s} s"
        time.sleep(PAUSE_S)
