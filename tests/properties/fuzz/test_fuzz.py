"""The short form of `python -m tests.properties.fuzz`: the same targets, a few hundred examples
each."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st

from tests.properties.fuzz import http
from tests.properties.fuzz.batches import BATCHES
from tests.properties.fuzz.decoders import DECODERS
from tests.properties.fuzz.run import attempt
from tests.properties.fuzz.stages import STAGES
from tests.properties.fuzz.target import Target

SEED = 1


@pytest.mark.parametrize("target", DECODERS, ids=lambda target: target.name)
def test_a_decoder_takes_anything(target: Target) -> None:
    attempt(target, SEED, 300)


@pytest.mark.rule("R1.24", "R1.25")
@pytest.mark.parametrize("target", BATCHES, ids=lambda target: target.name)
def test_any_batch_is_read_or_kept_whole(target: Target) -> None:
    attempt(target, SEED, 2_000)


def test_the_stages_take_anything_and_lose_nothing() -> None:
    attempt(STAGES, SEED, 30)


def test_the_http_side_answers_anything() -> None:
    with http.serving() as target:
        attempt(target, SEED, 200)


def test_a_broken_target_is_found_out() -> None:
    """The harness itself: what a check raises comes out, about the smallest example."""

    def check(value: bytes) -> None:
        assert len(value) < 5, len(value)

    with pytest.raises(AssertionError, match=r"^5"):
        attempt(Target("short", st.binary(), check), SEED, 100)
