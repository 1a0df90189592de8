"""Fuzzing for a while: every target in turn, round after round, each round with another seed."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, seed, settings

from tests.properties.fuzz import http
from tests.properties.fuzz.batches import BATCHES
from tests.properties.fuzz.decoders import DECODERS
from tests.properties.fuzz.stages import STAGES

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.properties.fuzz.target import Target

EXAMPLES = {"stages": 40, "http": 300}
"""A round's examples of the slower targets, so that each has its share of the time."""
USUAL_EXAMPLES = 500


def attempt(target: Target, number: int, examples: int) -> None:
    """Try so many examples, drawn from this seed; raises with the smallest one that fails."""

    def check(value: Any) -> None:
        target.check(value)

    tried = seed(number)(given(target.values)(check))
    settings(
        max_examples=examples,
        derandomize=False,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )(tried)()


def fuzz(minutes: float, first_seed: int, say: Callable[[str], None]) -> Counter[str]:
    """Fuzz for so long; how many examples of each target held. Raises on the first that fails."""
    give_up_at = time.monotonic() + minutes * 60
    held: Counter[str] = Counter()
    with http.serving() as server:
        number = first_seed
        while time.monotonic() < give_up_at:
            for target in (*DECODERS, *BATCHES, STAGES, server):
                examples = EXAMPLES.get(target.name, USUAL_EXAMPLES)
                attempt(target, number, examples)
                held[target.name] += examples
            say(f"seed {number}: all hold")
            number += 1
    return held
