"""How much one batch may still write: this bounds the output of a transaction.

The input of a batch is bounded by records and bytes. But one record may lead to a thousand
outputs, and one timer to a whole queue of them. So outputs are counted as they come. When the
budget is used up, the runtime hands out no more records, and a stage's own loops stop and set a
timer for now.

Rules of this file: it only counts; it stops nobody in the middle of a step. So a batch may exceed
its budget by what one step adds. A record that needs many steps is left unfinished: the stage keeps
its progress in its state, and gets the record again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from streams.runtime.records import Output

MOST_OUTPUT: Final = 8 << 20
"""Weight of one transaction, of all partitions of its unit together. A full batch of ordinary
records weighs about 5 MiB. This much is decided and written in well under a second, and the broker
aborts a transaction only after fifteen."""

RECORD_WEIGHT: Final = 256
"""What a record weighs on top of its bytes. So a budget bounds the number of records too:
`MOST_OUTPUT` allows at most 32,768."""


class Budget:
    """What a partition's part of a transaction may weigh, and how much of it is used."""

    __slots__ = ("_most", "_outputs", "_promised", "_seen", "spent", "unfinished")

    def __init__(self, most: float = float("inf")) -> None:
        """By default without limit, as for a state outside a batch."""
        self._most = most
        self._outputs: list[Output] = []
        self._seen = 0
        self._promised = 0
        self.spent = 0
        """The state adds its changes here; `weight` also counts the outputs."""
        self.unfinished = False
        """A stage sets it when it has finished only a part of the current record: the record comes
        first in the next batch, and the checkpoint stands before it."""

    def collect(self) -> list[Output]:
        """A new list for outputs; what is appended to it is counted."""
        self._count()
        self._outputs, self._seen = [], 0
        return self._outputs

    def promise(self, size: int) -> None:
        """Announce bytes to be written at the end of the batch; `has_room` counts them now."""
        self._promised += size + RECORD_WEIGHT

    def is_spent(self) -> bool:
        """Whether the budget is used up; then loops stop."""
        return self._count() >= self._most

    def has_room(self) -> bool:
        """Whether another record may be taken; promised bytes count as written."""
        return self._count() + self._promised < self._most

    def weight(self) -> int:
        """The weight of what was written."""
        return self._count()

    def _count(self) -> int:
        outputs = self._outputs
        if self._seen < len(outputs):
            for at in range(self._seen, len(outputs)):
                _, _, key, value = outputs[at]
                self.spent += len(key or b"") + len(value or b"") + RECORD_WEIGHT
            self._seen = len(outputs)
        return self.spent
