"""Where a run happens."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tests.support.cluster import Cluster
from tests.system.chaos.network import Network

if TYPE_CHECKING:
    from pathlib import Path

    from tests.system.chaos.ghosts import Haunting


class Site(NamedTuple):
    """Brokers, not started yet, each worker's way to them, and what haunts the ways."""

    cluster: Cluster
    ways: list[Network]
    haunting: Haunting


def site(directory: Path, workers: int, brokers: int, haunting: Haunting) -> Site:
    """Brokers with their data in `directory` and so many ways."""
    ways = [Network(brokers, haunting) for _ in range(workers)]
    return Site(Cluster(directory, brokers, [way.doors for way in ways]), ways, haunting)
