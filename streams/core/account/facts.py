"""What the customer stage tells an account's book: counts summed over one batch.

Rules of this file: values only, an internal format; fields are only appended, with a default.
"""

from __future__ import annotations

from typing import Final

import msgspec

GRAIN_MS: Final = 1_000
"""What hurts is told with its own time; deliveries and replies of one second are told as one."""


class Facts(msgspec.Struct, frozen=True, array_like=True):
    """What one batch saw happen between one account and its customers at `at_ms`.

    `at_ms`: when it happened by the producers' word, bounded by the engine's clock; where nothing
    hurts, the start of that second. What hurts may
    be below 0: a heavier word takes a lighter one's place. `relations`: by how many the friends
    grew (negative: shrank). `heard_ms`: the broker's time of the batch's first complaint, block or
    opt-out of that time, 0 without one.
    """

    at_ms: int
    delivered: int = 0
    complaints: int = 0
    blocks: int = 0
    opt_outs: int = 0
    received: int = 0
    relations: int = 0
    heard_ms: int = 0

    def is_before(self, since_ms: int) -> bool:
        """Whether all of it happened before."""
        hurts = self.complaints or self.blocks or self.opt_outs
        return self.at_ms + (0 if hurts else GRAIN_MS - 1) < since_ms
