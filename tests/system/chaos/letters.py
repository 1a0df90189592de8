"""Dead letters: one for each record that cannot be read, whole, and for no other."""

from __future__ import annotations

import re
from base64 import b64decode
from collections import Counter
from typing import TYPE_CHECKING, Any

import orjson

from streams.topics import DEAD_LETTERS, INTENTS, INTERACTIONS
from tests.system.chaos.noise import BEHIND_HEADER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.system.chaos.evidence import Evidence, Seen
    from tests.system.chaos.inputs import Inputs

Place = tuple[str, int, int]


def places_of_letters(evidence: Evidence) -> set[Place]:
    """Topic, partition and offset of every record that was refused."""
    return {_place(letter) for letter in _letters(evidence)}


def faults_of_letters(evidence: Evidence, intents: Inputs, interactions: Inputs) -> Iterator[str]:
    """What is missing, too much, or not as it was."""
    letters = _letters(evidence)
    counted = Counter(_place(letter) for letter in letters)
    yield from (f"two letters about {place}" for place, n in counted.items() if n > 1)
    due: dict[Place, Seen] = {}
    for topic, inputs in ((INTENTS, intents), (INTERACTIONS, interactions)):
        due |= {(topic, r.partition, r.offset): r for r in inputs.refused}
    yield from (f"no letter about {place}" for place in due.keys() - counted.keys())
    yield from _of_broken(evidence, letters)
    for letter in letters:
        place = _place(letter)
        if place in evidence.broken:
            continue
        record = due.get(place) or _rule(evidence, place)
        if record is None:
            yield f"a letter about {place}, which is not to be refused"
        elif (_bytes(letter, "key"), _bytes(letter, "value")) != (record.key, record.value):
            yield f"the letter about {place} does not keep it as it was"
        elif place in due and letter["reason"] != _why(place[0], record.value):
            yield f"the letter about {place} says {letter['reason']}"


def _of_broken(evidence: Evidence, letters: list[dict[str, Any]]) -> Iterator[str]:
    """One letter keeps a batch whole; and nothing is broken but what was thrown so."""
    found = {_place(letter): letter for letter in letters}
    for place, batch in evidence.broken.items():
        letter = found.get(place)
        if letter is None:
            yield f"no letter about the broken batch at {place}"
        elif (letter["reason"], _bytes(letter, "value")) != ("unreadable", batch):
            yield f"the letter about the broken batch at {place} does not keep it as it was"
        if batch[BEHIND_HEADER:] not in evidence.spoilt:
            yield f"the batch at {place} is unreadable, and was written whole"


def reasons_of_letters(evidence: Evidence) -> list[str]:
    """Why records were refused, one for each letter."""
    return [letter["reason"] for letter in _letters(evidence)]


def _why(topic: str, value: bytes | None) -> str:
    """Why a record of intents or interactions is none, by the contract's list of reasons."""
    try:
        text = (value or b"").decode()
        name = orjson.loads(text)["type"]
    except UnicodeDecodeError:
        return "not_utf8"
    except orjson.JSONDecodeError:
        return "not_json"
    except (KeyError, TypeError):
        return "invalid"
    ours = re.fullmatch(r"decorum\.(\w+)\.v1", name)
    known = ours is not None and (ours[1] == "intent") == (topic == INTENTS)
    return "invalid" if known else "unknown_type"


def _letters(evidence: Evidence) -> list[dict[str, Any]]:
    return [orjson.loads(r.value or b"{}")["data"] for r in evidence.topics[DEAD_LETTERS]]


def _place(letter: dict[str, Any]) -> Place:
    return letter["topic"], letter["partition"], letter["offset"]


def _rule(evidence: Evidence, place: Place) -> Seen | None:
    """A policy or control: whether it was right to refuse it is not judged here."""
    if place[0] in {INTENTS, INTERACTIONS}:
        return None
    found = (r for r in evidence.topics[place[0]] if (r.partition, r.offset) == place[1:])
    return next(found, None)


def _bytes(letter: dict[str, Any], name: str) -> bytes | None:
    text = letter.get(f"{name}_base64")
    return None if text is None else b64decode(text)
