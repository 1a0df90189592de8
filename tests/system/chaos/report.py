"""What an audit found."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass
class Report:
    """What an audit found. `findings`: by kind, one sentence each; clean if there are none."""

    findings: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def clean(self) -> bool:
        """Whether nothing was found."""
        return not any(self.findings.values())

    def add(self, kind: str, sentences: Iterable[str]) -> None:
        """Note what was found of one kind."""
        self.findings[kind] += sentences

    def number(self, kind: str) -> int:
        """How many of a kind."""
        return len(self.findings.get(kind, ()))
