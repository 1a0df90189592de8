"""The short form of `python -m tests.system.chaos`: two workers, every kind of fault, then the
audit."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest

from tests.system.chaos.faults import Counts, Lasting
from tests.system.chaos.ghosts import Haunting
from tests.system.chaos.run import Options, run
from tests.system.chaos.site import site
from tests.system.chaos.table import table

if TYPE_CHECKING:
    from pathlib import Path

SHORT = Options(
    counts=Counts(kills=3, zombies=1, terms=1, broker=1, freezes=1, slow=1, cuts=1, ahead=1),
    rate=150,
    partitions=8,
    customers=80,
    lasting=Lasting(zombie_s=8.0, away_s=8.0, slow_s=4.0, step_s=12.0, skew_s=2.0),
    seed=4,
)


@pytest.mark.slow
async def test_nothing_is_lost_doubled_or_wrongly_decided_under_fire(
    kafka_tools: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a broker of its own, for it is killed as well."""
    place = site(tmp_path / "kafka", SHORT.workers, SHORT.brokers, Haunting(Random(SHORT.seed)))
    async with place.cluster:
        result = await run(SHORT, place, "chaos-", tmp_path)
    with capsys.disabled():
        print(f"\n{table(result)}")  # noqa: T201
    assert result.clean, table(result)
    counts = result.report.counts
    assert counts["decided"] > 1_000
    assert counts["approved ok"] > 100
    assert counts["held"] == 0
