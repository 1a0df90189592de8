"""Write the dump and the layout of this version: `python -m tests.properties.golden`."""

from __future__ import annotations

import sys

from streams import __version__
from tests.flows.world import DriverWorld
from tests.properties.golden.layout import encode, layout, layout_path
from tests.properties.golden.story import PARTITIONS, dump, path_of, tell


def main() -> None:
    """Play the story and keep what it leaves."""
    world = DriverWorld(PARTITIONS)
    tell(world)
    data = dump(world)
    path_of(__version__).write_bytes(data)
    sys.stdout.write(f"{path_of(__version__).name}: {len(data):,} bytes\n")
    stored = layout()
    layout_path(__version__).write_bytes(encode(stored))
    sys.stdout.write(f"{layout_path(__version__).name}: {len(stored)} classes\n")


if __name__ == "__main__":
    main()
