"""Ghosts: requests whose sender was told nothing, and which arrive at the broker late all the same.

A network that breaks a connection has not always lost what was sent on it. What its sender repeats
then, or gives up, comes a second time: into a transaction that is over, or into the next one. The
way (`network`) sees every request; here it is said which of them becomes a ghost, how late it
arrives, and what the broker answered to it, which nobody else ever hears.

Rules of this file: a ghost's bytes are those that were sent, and it arrives once.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from itertools import cycle
from typing import TYPE_CHECKING, Any, Final

from aiokafka.errors import for_code

from tests.system.chaos.wire import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

    from tests.system.chaos.wire import Request

LATEST_S: Final = 5.0
SOON_S: Final = 0.3
"""While its sender is still busy with what broke."""
UNHEARD: Final = "never arrived"
PATIENCE_S: Final = 120.0
"""For workers to send anything at all that can be made a ghost."""
LOOK_S: Final = 0.05


@dataclass
class Ghost:
    """One of them. `late_s`: 0 where the request arrives at once and only its answer is lost."""

    request: Request
    late_s: float
    answer: str = ""
    """The broker's: `ok`, or the errors' names; empty while there is none."""


def _in_short(answer: dict[str, Any]) -> str:
    """`ok`, or the names of the errors in it."""
    codes = set(_codes(answer)) - {0}
    return ", ".join(sorted(for_code(code).__name__ for code in codes)) or "ok"


def _codes(answer: Any) -> Iterator[int]:
    if isinstance(answer, list):
        for one in answer:
            yield from _codes(one)
    elif isinstance(answer, dict):
        for name, value in answer.items():
            if name == "error_code":
                yield value
            else:
                yield from _codes(value)


@dataclass
class Haunting:
    """Which requests become ghosts, each kind in turn, and what became of them."""

    random: Random
    say: Callable[[str], None] = lambda line: None
    ghosts: list[Ghost] = field(default_factory=list)
    _armed: Counter[str] = field(default_factory=Counter)

    def take(self, request: Request) -> Ghost | None:
        """The ghost that this request becomes, if it does."""
        if not self._armed[request.kind]:
            return None
        self._armed[request.kind] -= 1
        ghost = Ghost(request, self._late_s())
        self.ghosts.append(ghost)
        return ghost

    def answered(self, ghost: Ghost, answer: dict[str, Any] | None) -> None:
        """The broker has said this to it; None: it never came there."""
        ghost.answer = UNHEARD if answer is None else _in_short(answer)
        self.say(
            f"{ghost.request.kind} of {ghost.request.transactional_id},"
            f" {ghost.late_s:.2f} s late: {ghost.answer}"
        )

    async def run(self, wanted: int, every_s: float) -> None:
        """Lay so many, and wait until the last has come. A kind that nobody sends, as an
        InitProducerId where no producer begins, waits for the first who does and holds up no other.
        """
        clock = asyncio.get_running_loop().time
        since, seen = clock(), 0
        for kind in cycle(KINDS.values()):
            if len(self.ghosts) >= wanted:
                break
            self._armed[kind] = 1
            await asyncio.sleep(every_s)
            if len(self.ghosts) > seen:
                since, seen = clock(), len(self.ghosts)
            if clock() > since + PATIENCE_S:
                raise AssertionError(f"no request to make a ghost of in {PATIENCE_S} s")
        self._armed.clear()
        while not all(ghost.answer for ghost in self.ghosts):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(LOOK_S)

    def tally(self) -> dict[str, Counter[str]]:
        """The answers, by kind."""
        found = {kind: Counter[str]() for kind in KINDS.values()}
        for ghost in self.ghosts:
            found[ghost.request.kind][ghost.answer] += 1
        return found

    def _late_s(self) -> float:
        """A quarter lose the answer alone, a quarter come while what they disturbed is mended."""
        latest_s = self.random.choice([0.0, SOON_S, LATEST_S, LATEST_S])
        return self.random.uniform(0.0, latest_s)
