"""`python -m tests.properties.fuzz --minutes 10`: noise into everything that takes bytes."""

from __future__ import annotations

import sys
from argparse import ArgumentParser

from tests.properties.fuzz.run import fuzz
from tests.support.progress import stopwatch


def main() -> int:
    """Run as the arguments say."""
    parser = ArgumentParser(prog="python -m tests.properties.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="the least time it goes on")
    parser.add_argument("--seed", type=int, default=1, help="of the first round")
    arguments = parser.parse_args()
    say = stopwatch()
    held = fuzz(arguments.minutes, arguments.seed, say)
    for name, examples in held.items():
        sys.stdout.write(f"{name:14} {examples:>9,} examples hold\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
