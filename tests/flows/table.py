"""The table of flows: what is asked and heard, and the decisions it must lead to.

Each is told once and played in every world (`test_flows.py`,
`tests/integration/kafka/test_flows.py`). A flow has an enterprise, customers and accounts to
itself. Times count from its start, ten in the morning UTC. Add one by writing a function under
`@flow`; what holds for all of them is checked afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.flows.scene import Scene

FLOWS: Final[list[Flow]] = []

TWO_A_DAY: Final = {
    "id": "two-a-day",
    "kinds": ["direct", "broadcast"],
    "scope": "enterprise",
    "limit": 2,
    "rolling": "24h",
}


class Flow(NamedTuple):
    """`sections`: the policy published before the flow begins; None: the packaged one."""

    name: str
    sections: dict[str, Any] | None
    play: Callable[[Scene], None]


def flow(**sections: Any) -> Callable[[Callable[[Scene], None]], Callable[[Scene], None]]:
    """Enter a function into the table; `sections` are those of its policy."""

    def enter(play: Callable[[Scene], None]) -> Callable[[Scene], None]:
        FLOWS.append(Flow(play.__name__, sections or None, play))
        return play

    return enter
