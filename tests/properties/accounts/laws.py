"""All laws, on one past."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.properties.accounts import adds, campaigns, commands, endings, figures, pace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.properties.accounts.past import Past

LAWS: Final[dict[str, Callable[[Past], Iterator[str]]]] = {
    "adds": adds.faults,
    "pace": pace.faults,
    "orders": commands.faults,
    "campaigns": campaigns.faults,
    "figures": figures.faults,
    "endings": endings.faults,
}


def broken(past: Past) -> list[str]:
    """Every fault, under its law's name."""
    return [f"{name}: {fault}" for name, law in LAWS.items() for fault in law(past)]
