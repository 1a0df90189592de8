"""What is thrown at everything that takes bytes: noise, JSON of any shape, and spoilt samples."""

from __future__ import annotations

import copy
import json
import string
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st

from streams.policy.files import PolicyError, read_document
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hypothesis.strategies import SearchStrategy

SAMPLES: Final = ROOT / "schemas" / "samples"
PROFILES: Final = ROOT / "schemas" / "policies"

noise: Final = st.binary(max_size=400)

edges: Final[SearchStrategy[Any]] = st.sampled_from(
    [
        *(None, True, False, 0, -1, 1, 100, 101, 0.5, -0.0, 1e308, float("inf"), float("nan")),
        *(2**31, 2**53, 2**63 - 1, 2**63, 2**64, 2**70, 253_402_300_799_999, 10**400),
        *("", "x" * 129, "x" * 5_000, "a/b", "..", "*", "\0", "\n", "\x7f", "\ud800", "客", "😀"),
        *("24h", "0s", "99999999999999999999d", "1.5h", "0%", "100%", "-1%", "forever", "off"),
        *("21:30", "24:00", "1/s", "0/s", "days_in_month", "UTC", "Asia/Shanghai", "../etc", "all"),
        *([], {}, [[]], [None], {"": ""}, {"a": {"a": {"a": {}}}}, [["direct"]], ["direct"] * 9),
        *("2026-11-22T02:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+23:59"),
    ]
)
text: Final = st.text(max_size=30) | st.text(string.printable, max_size=30)
anything: Final[SearchStrategy[Any]] = st.recursive(
    edges | text | st.integers() | st.floats() | st.booleans(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=12,
)


def written(value: object, *, ascii_only: bool = True) -> bytes:
    """As JSON, lone surrogates and numbers without end included: what a careless producer sends."""
    return json.dumps(value, ensure_ascii=ascii_only).encode(errors="surrogatepass")


class Samples(tuple[Any, ...]):
    """Where spoiling begins. Its short name keeps reports of failures readable."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{len(self)} samples>"


def events(*families: str) -> Samples:
    """The valid and invalid samples whose names begin with one of these; all without a name."""
    paths = sorted((SAMPLES / "valid").glob("*.json")) + sorted(
        (SAMPLES / "invalid").glob("*.json")
    )
    return Samples(
        json.loads(path.read_bytes())
        for path in paths
        if not families or path.stem.startswith(families)
    )


def policies() -> Samples:
    """The sample policies and the packaged profiles, as their topic carries them."""
    paths = sorted(PROFILES.glob("*.yaml")) + sorted((SAMPLES / "policies").glob("*/*.yaml"))
    return Samples(json.loads(written(one)) for path in paths for one in _documents(path))


def _documents(path: Path) -> Iterator[object]:
    with suppress(PolicyError):  # a sample of what is no YAML at all
        yield read_document(path)


def slots(value: dict[str, Any] | list[Any]) -> list[tuple[Any, Any]]:
    """Every place in a structure: what holds it, and under which key."""
    found: list[tuple[Any, Any]] = []
    items = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
    for key, inner in items:
        found.append((value, key))
        if isinstance(inner, dict | list):
            found += slots(inner)
    return found


def spoil(draw: Callable[[SearchStrategy[Any]], Any], value: Any) -> Any:
    """One place of a structure made something else."""
    places = slots(value) if isinstance(value, dict | list) else []
    if not places:
        return copy.deepcopy(draw(anything))
    holder, key = draw(st.sampled_from(places))
    match draw(st.integers(0, 5)):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[draw(text)] = copy.deepcopy(holder[key])
        case 2:
            other, at = draw(st.sampled_from(places))
            if at in other if isinstance(other, dict) else at < len(other):
                holder[key] = copy.deepcopy(other[at])
        case 3:
            holder[key] = copy.deepcopy(draw(edges))
        case 4 if isinstance(holder, list):
            holder *= draw(st.integers(0, 3))
        case _:
            holder[key] = copy.deepcopy(draw(anything))
    return value


@st.composite
def spoilt(draw: st.DrawFn, samples: Samples) -> Any:
    """A sample with up to four of its places spoilt."""
    value = copy.deepcopy(samples[draw(st.integers(0, len(samples) - 1))])
    for _ in range(draw(st.integers(0, 4))):
        value = spoil(draw, value)
    return value


@st.composite
def damaged(draw: st.DrawFn, values: SearchStrategy[bytes]) -> bytes:
    """Bytes with a piece cut out and another put in its place."""
    value = draw(values)
    start = draw(st.integers(0, len(value)))
    end = draw(st.integers(start, min(len(value), start + 8)))
    return value[:start] + draw(st.binary(max_size=8)) + value[end:]


def records(samples: Samples) -> SearchStrategy[bytes]:
    """Values of records: noise, any JSON, spoilt samples, and those with damaged bytes."""
    whole = st.builds(
        lambda value, plain: written(value, ascii_only=plain), spoilt(samples), st.booleans()
    )
    return st.one_of(whole, whole, damaged(whole), anything.map(written), noise)
