"""Every sample is judged alike by its schema and by the decoder."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from streams.events.decode import decode_control, decode_intent, decode_interaction
from streams.events.envelope import Rejected
from streams.events.interactions import INTERACTION_TYPES
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SAMPLES = ROOT / "schemas" / "samples"
VALID = sorted((SAMPLES / "valid").glob("*.json"))
INVALID = sorted((SAMPLES / "invalid").glob("*.json"))
BEYOND_THE_SCHEMA = {
    "consent-quiet-hours-without-length",
    "consent-time-zone-abbreviation",
    "consent-time-zone-misspelt",
}
"""What only the decoder knows: how two times compare, and which zones there are."""


def schema_of(sample: Path) -> str:
    family = sample.stem.split("-")[0]
    return family if family in {"intent", "control"} else "interactions"


def decode(sample: Path) -> Any:
    decoders: dict[str, Callable[[bytes], Any]] = {
        "intent": decode_intent,
        "control": decode_control,
        "interactions": decode_interaction,
    }
    return decoders[schema_of(sample)](sample.read_bytes())


@pytest.mark.parametrize("sample", VALID, ids=lambda path: path.stem)
def test_a_valid_sample_passes_both(sample: Path, is_valid: Callable[[str, Any], bool]) -> None:
    assert is_valid(schema_of(sample), json.loads(sample.read_bytes()))
    assert not isinstance(decode(sample), Rejected)


@pytest.mark.parametrize("sample", INVALID, ids=lambda path: path.stem)
def test_an_invalid_sample_fails_both(sample: Path, is_valid: Callable[[str, Any], bool]) -> None:
    valid = is_valid(schema_of(sample), json.loads(sample.read_bytes()))
    assert valid == (sample.stem in BEYOND_THE_SCHEMA)
    refused = decode(sample)
    assert isinstance(refused, Rejected)
    assert refused.reason == ("unknown_type" if "type-unknown" in sample.stem else "invalid")
    assert refused.error.startswith("$")


def test_every_type_has_a_valid_sample() -> None:
    types = {json.loads(sample.read_bytes())["type"] for sample in VALID}
    assert types == INTERACTION_TYPES | {"decorum.intent.v1", "decorum.control.v1"}


@pytest.mark.parametrize("name", ["intent", "interactions", "control"])
def test_examples_inside_the_schemas_are_valid(
    name: str, schemas: dict[str, Any], is_valid: Callable[[str, Any], bool]
) -> None:
    for example in schemas[name].get("examples", []):
        assert is_valid(name, example)
