"""`python -m tests.properties.simulate`: what the packaged policy's law makes of accounts whose
true rates are known. Prints the table of `docs/ceilings.md`; some minutes on one core, the same
figures each time.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from tests.properties.simulate.accounts import bad_row, good_row
from tests.properties.simulate.audience import HOUR, Audience
from tests.properties.simulate.bursts import burst_row, false_row
from tests.properties.simulate.grades import flaps_row
from tests.properties.simulate.report import table

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.properties.simulate.report import Row

LINES: Final[tuple[Callable[[], Row], ...]] = (
    lambda: good_row(Audience(50, 0.0005), 500, 90),
    lambda: good_row(Audience(200, 0.0005), 1_000, 90),
    lambda: good_row(Audience(1_000, 0.0005), 500, 90),
    lambda: good_row(Audience(1_000, 0.0005, at_once=True), 300, 90),
    lambda: bad_row(Audience(200, 0.003), 200, 60),
    lambda: bad_row(Audience(200, 0.006), 300, 60),
    lambda: bad_row(Audience(200, 0.02), 300, 20, step_ms=HOUR),
    lambda: bad_row(Audience(1_000, 0.02), 300, 20, step_ms=HOUR),
    lambda: flaps_row(200, 0.003, 100, 6),
    lambda: flaps_row(1_000, 0.003, 100, 6),
    lambda: flaps_row(200, 0.0005, 100, 6),
    lambda: flaps_row(200, 0.001, 100, 6),
    *(
        lambda p=per_day, a=at_once, n=accounts: false_row(Audience(p, 0.0005, a), n)
        for per_day, accounts in ((200, 3_000), (1_000, 1_000), (5_000, 200))
        for at_once in (False, True)
    ),
    lambda: false_row(Audience(1_000, 0.001), 300),
    *(
        lambda p=per_day, a=at_once: burst_row(Audience(p, 0.02, a), 1_000)
        for per_day in (200, 500, 1_000, 5_000)
        for at_once in (False, True)
    ),
    *(lambda s=share: burst_row(Audience(200, s), 500) for share in (0.001, 0.005, 0.01)),
)


def main() -> int:
    rows = []
    for number, line in enumerate(LINES, start=1):
        sys.stderr.write(f"{number} of {len(LINES)} …\n")
        rows.append(line())
    sys.stdout.write(table(rows) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
