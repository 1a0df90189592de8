"""Faults of a document, and how they are told.

A message names what is wrong and what would be right, and repeats no more of the document than a
reader needs. Words are offered only where they must be the ones meant.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Final, NamedTuple, TypeGuard

if TYPE_CHECKING:
    from collections.abc import Iterable

_LEAST_LETTERS: Final = 4
"""Among shorter words, one letter makes another word."""

SHOWN: Final = 40
"""Characters of a wrong value that a message repeats."""
_WORD_BITS: Final = 64
"""JSON knows no larger whole numbers; YAML does, and spelling them out can be an error itself."""


class Fault(NamedTuple):
    """One mistake: where it stands (`windows[2].rolling`), and what is wrong there."""

    path: str
    message: str

    def __str__(self) -> str:
        """As `policy check` prints it."""
        return f"{self.path}: {self.message}" if self.path else self.message

    def below(self, step: str | int) -> Fault:
        """The same fault, seen from one level further up."""
        head = f"[{step}]" if isinstance(step, int) else step
        joint = "." if self.path and not self.path.startswith("[") else ""
        return Fault(f"{head}{joint}{self.path}", self.message)


class Refused(ValueError):  # noqa: N818 - the word the dead letters use
    """A value was not accepted. The sentence says why; without one, it is told elsewhere."""


def show(value: object) -> str:
    """A wrong value, short enough for a message."""
    if value is None or isinstance(value, bool):
        return {None: "nothing", True: "`true`", False: "`false`"}[value]
    if isinstance(value, int) and value.bit_length() > _WORD_BITS:
        return "a number beyond 64 bits"
    if isinstance(value, str):
        return f'"{printable(value)}"'
    if isinstance(value, int | float):
        return f"`{value}`"
    names = {"dict": "a mapping", "list": "a list"}
    return names.get(type(value).__name__, f"a value of type {type(value).__name__}")


def printable(text: str) -> str:
    """A string of the document's own, safe to print on one line and not too long for it."""
    shown = "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text[:SHOWN]
    )
    return f"{shown}…" if len(text) > SHOWN else shown


def suggest(wrong: object, known: Iterable[str]) -> str:
    """The end of a message that offers the nearest known name, or nothing."""
    if not isinstance(wrong, str):
        return ""
    nearest = get_close_matches(wrong[:SHOWN].lower(), list(known), n=1)
    return f"; did you mean `{nearest[0]}`?" if nearest else ""


def spelt(wrong: object, known: Iterable[str]) -> str:
    """As `suggest`, for values: what is offered is easily taken, so only a slip of the pen is.

    That is a word that differs in case, in punctuation or in one letter, where there is but one;
    never in a digit: another number is another thing.
    """
    if not isinstance(wrong, str):
        return ""
    near = [
        word
        for word in known
        if _digits(wrong) == _digits(word) and _slip(bare(wrong[:SHOWN]), bare(word))
    ]
    return f"; did you mean `{near[0]}`?" if len(near) == 1 else ""


def bare(word: str) -> str:
    """A word without what writers differ in: case and punctuation."""
    return "".join(letter for letter in word.casefold() if letter.isalnum())


def _digits(word: str) -> list[str]:
    return [letter for letter in word if letter.isdigit()]


def _slip(wrong: str, word: str) -> bool:
    """Whether they are equal but for one letter left out, added, changed, or swapped with its
    neighbour; of words too short for that to be a slip, whether they are equal.
    """
    if wrong == word or len(word) < _LEAST_LETTERS or abs(len(wrong) - len(word)) > 1:
        return wrong == word
    at = next((n for n, (a, b) in enumerate(zip(wrong, word, strict=False)) if a != b), len(word))
    head, tail = wrong[at:], word[at:]
    swapped = head[:2] == tail[1::-1] and len(tail) > 1 and head[2:] == tail[2:]
    return swapped or head[1:] == tail or head == tail[1:] or head[1:] == tail[1:]


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether this is a JSON number of a sane size (`true` is an int in Python, not here)."""
    if isinstance(value, bool):
        return False
    return isinstance(value, float) or (isinstance(value, int) and value.bit_length() <= _WORD_BITS)
