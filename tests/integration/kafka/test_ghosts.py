"""The short form of `python -m tests.system.chaos --brokers 3 --ghosts …`: requests that arrive
late, of every kind that a transaction has, and nothing else that could be to blame.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest

from tests.system.chaos.faults import Counts
from tests.system.chaos.ghosts import UNHEARD, Haunting
from tests.system.chaos.run import Options, run
from tests.system.chaos.site import site
from tests.system.chaos.table import table

if TYPE_CHECKING:
    from pathlib import Path

SHORT = Options(
    counts=Counts(),
    ghosts=48,
    ghost_every_s=0.25,
    brokers=3,
    rate=150,
    partitions=8,
    customers=80,
    seed=4,
)


@pytest.mark.slow
async def test_what_arrives_late_decides_nothing_twice_and_tears_nothing(
    kafka_tools: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    haunting = Haunting(Random(SHORT.seed))
    place = site(tmp_path / "kafka", SHORT.workers, SHORT.brokers, haunting)
    async with place.cluster:
        result = await run(SHORT, place, "ghosts-", tmp_path)
    with capsys.disabled():
        print(f"\n{table(result)}")  # noqa: T201
    assert result.clean, table(result)
    assert not result.unexplained
    delivered = {kind: said.total() - said[UNHEARD] for kind, said in haunting.tally().items()}
    assert min(delivered.values()) > 0
    assert sum(delivered.values()) >= SHORT.ghosts
    counts = result.report.counts
    assert (counts["held"], counts["unbalanced"]) == (0, 0)
    assert counts["approved ok"] > 50
    assert counts["transactions"] > 100
