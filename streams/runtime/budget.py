"""How much one batch may still write: what bounds a transaction's output.

A batch's input is bounded by its records and bytes, but one record may lead to a thousand outputs,
and a timer to a queue's worth of them. So what is written is counted as it comes, and whoever has
more to do looks here first and leaves the rest to the next batch: the lane gives out no further
record, and a stage's own loops stop and set a timer for now.

Rules of this file: it counts and says when it is enough; nobody is stopped in the middle of one
step. A batch may therefore pass its budget by what one step adds. A record that needs many steps is
left unfinished: the stage keeps how far it came in its state, and is given the record again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from streams.runtime.records import Output

MOST_OUTPUT: Final = 8 << 20
"""Weight of one transaction, all partitions of its unit together. A full batch of ordinary records
weighs about 5 MiB; this much is decided and written in well under a second, and a transaction has
fifteen of them before the broker gives it up."""

RECORD_WEIGHT: Final = 256
"""What a record weighs beside its bytes. So a budget bounds records as well as bytes: with
`MOST_OUTPUT` they are at most 32,768."""


class Budget:
    """What one partition's part of a transaction may weigh, and how much of it is used."""

    __slots__ = ("_most", "_outputs", "_promised", "_seen", "spent", "unfinished")

    def __init__(self, most: float = float("inf")) -> None:
        """By default there is no end to it, as for a state that no lane looks after."""
        self._most = most
        self._outputs: list[Output] = []
        self._seen = 0
        self._promised = 0
        self.spent = 0
        """For the state's changes to be added to; `weight` counts the outputs as well."""
        self.unfinished = False
        """Set by a stage that did a part of the record under way: it comes first in the next batch,
        and the checkpoint stands before it."""

    def collect(self) -> list[Output]:
        """A fresh list for a batch's outputs, which are counted as they come."""
        self._count()
        self._outputs, self._seen = [], 0
        return self._outputs

    def promise(self, size: int) -> None:
        """So many bytes will be written at the batch's end; `has_room` counts them already."""
        self._promised += size + RECORD_WEIGHT

    def is_spent(self) -> bool:
        """Whether enough is written: loops stop here."""
        return self._count() >= self._most

    def has_room(self) -> bool:
        """Whether another record may be taken: what is promised counts as written."""
        return self._count() + self._promised < self._most

    def weight(self) -> int:
        """What was written."""
        return self._count()

    def _count(self) -> int:
        outputs = self._outputs
        if self._seen < len(outputs):
            for at in range(self._seen, len(outputs)):
                _, _, key, value = outputs[at]
                self.spent += len(key or b"") + len(value or b"") + RECORD_WEIGHT
            self._seen = len(outputs)
        return self.spent
