"""The short form of `python -m tests.integration.replication`: a node dies, and comes back without
its disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.replication.run import Options, run
from tests.integration.replication.table import table

if TYPE_CHECKING:
    from pathlib import Path

SHORT = Options(deaths=("disk",), rate=100, partitions=4, customers=60, seed=5)


@pytest.mark.slow
async def test_nothing_is_lost_or_doubled_when_the_node_that_leads_most_loses_its_disk(
    kafka_tools: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = await run(SHORT, tmp_path)
    with capsys.disabled():
        print(f"\n{table(result)}")  # noqa: T201
    assert result.clean, table(result)
    assert result.replicas == {3}
    counts = result.report.counts
    assert counts["decided"] > 500
    assert counts["approved ok"] > 100
    assert counts["held"] == 0
