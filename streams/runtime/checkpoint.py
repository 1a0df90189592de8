"""How far a partition has decided, and what its clock shows.

Every transaction writes it with its outputs, as one record under one reserved key of the changelog.
It alone counts as progress; the group's offsets only feed lag monitors.
"""

from __future__ import annotations

import msgspec


class Checkpoint(msgspec.Struct):
    """Everything below `next_offset[topic]` is decided. The partition's clock, `clock_ms` (UTC
    milliseconds), never goes back, even if the machine's clock does.
    """

    clock_ms: int = 0
    next_offset: dict[str, int] = msgspec.field(default_factory=dict)
    partitions: int = 0
    """How many partitions the stage had; 0 if unknown."""
    sequence: int = 0
    """How many checkpoints the partition has written."""
    writer: str = ""
    """A random name for each life of a unit. With `sequence` it makes each checkpoint unique."""

    def advance_clock(self, wall_ms: int) -> int:
        """Advance the clock to the wall clock, unless that is behind; returns the time now."""
        self.clock_ms = max(self.clock_ms, wall_ms)
        return self.clock_ms

    def next_value(self) -> bytes:
        """Count `sequence` up and return the next changelog value."""
        self.sequence += 1
        return self.encode()

    def encode(self) -> bytes:
        """The changelog value."""
        return msgspec.json.encode(self)

    @staticmethod
    def decode(value: bytes) -> Checkpoint:
        """Read a changelog value; fields added later have defaults."""
        return msgspec.json.decode(value, type=Checkpoint)
