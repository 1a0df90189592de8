"""What the customer stage reports to an account: counts summed over one batch.

Rules of this file: values only, an internal format; fields are only appended, with a default.
"""

from __future__ import annotations

from typing import Final

import msgspec

GRAIN_MS: Final = 1_000
"""Complaints, blocks and opt-outs carry their own time; all else of one second is summed up."""


class Facts(msgspec.Struct, frozen=True, array_like=True):
    """What one batch saw happen between one account and its customers at `at_ms`.

    `at_ms`: when it happened as the producers say, bounded by the engine's clock; without
    complaints, blocks and opt-outs, the start of that second. These three may be below 0: of one
    contact only the heaviest counts, and takes a lighter one back. `relations`: by how many the
    friends grew (negative: shrank). `heard_ms`: the broker's time of the batch's first complaint,
    block or opt-out of that time, 0 without one.
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
