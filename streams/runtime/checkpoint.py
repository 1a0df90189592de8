"""How far a partition has decided, and what time it is there.

One record under one reserved key of the changelog, written by every transaction together with the
outputs it stands for. It is the truth about progress; the group's offsets only feed lag monitors.
"""

from __future__ import annotations

import msgspec


class Checkpoint(msgspec.Struct):
    """Everything below `next_offset[topic]` is decided; the partition's clock stood at
    `clock_ms` (UTC milliseconds) and never goes back, even where a machine's clock does.
    """

    clock_ms: int = 0
    next_offset: dict[str, int] = msgspec.field(default_factory=dict)
    partitions: int = 0
    """Of how many the partition was one when it decided; 0 for not told."""
    sequence: int = 0
    """How many times the partition has told its progress."""
    writer: str = ""
    """Who told it: another name in each life of a unit. With `sequence` no two are the same."""

    def advance_clock(self, wall_ms: int) -> int:
        """Advance the clock to the wall clock, or leave it where it is; the time now."""
        self.clock_ms = max(self.clock_ms, wall_ms)
        return self.clock_ms

    def next_value(self) -> bytes:
        """The changelog value of the next telling."""
        self.sequence += 1
        return self.encode()

    def encode(self) -> bytes:
        """The changelog value."""
        return msgspec.json.encode(self)

    @staticmethod
    def decode(value: bytes) -> Checkpoint:
        """Read a changelog value; fields added later have defaults."""
        return msgspec.json.decode(value, type=Checkpoint)
