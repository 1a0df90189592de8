"""Our rules and the dashboard's queries in a real Prometheus that scrapes a worker's metrics."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from streams.ops.catalogue import LABEL_VALUES
from streams.ops.http import Health, HttpServer
from streams.ops.metrics import Observer
from streams.runtime.snapshot import StageSnapshot
from streams.stages.balance import Balance
from tests.system.alerts.names import rules
from tests.system.alerts.queries import queries
from tests.system.alerts.server import PrometheusServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

PATIENCE_S = 40.0
WELL = Health(ok=True, detail={})
BROKEN = ("dead_letters_total", "interactions", "invalid")


class Worker:
    """A worker's metrics without a worker: counts go on for as long as it is scraped."""

    def __init__(self) -> None:
        self.observer = Observer()
        self.broken = 0

    def metrics(self) -> bytes:
        batch = Counter[tuple[str, ...]](
            {
                ("intents_total", "direct"): 100,
                ("interactions_total", "decorum.delivered.v1"): 100,
                ("decisions_total", "direct", "approved", "ok"): 90,
                ("decisions_total", "direct", "deferred", "window_full"): 10,
                ("latency_ms", "20"): 100,
                ("brake_ms", "80"): 1,
            }
        )
        if self.broken:
            batch[BROKEN] = self.broken
        for stage in LABEL_VALUES["stage"]:
            snapshot = StageSnapshot(
                assigned=(0, 1),
                accepting=(0, 1),
                warming=(),
                waiting_records=3,
                state_keys=1_000,
                timers=10,
                restore_seconds=0.4,
                progress_age_seconds=0.1,
                waiting_age_seconds=0.2,
            )
            self.observer.record_expected({stage: 2})
            self.observer.committed(stage, 0, batch, records=200, seconds=0.01)
            self.observer.record_stage(stage, snapshot, Balance(accepted=30, settled=20, held=10))
            self.observer.record_ages(stage, oldest_seconds=3_600, overdue_seconds=0)
        self.observer.record_grades({"new": 3, "green": 5})
        return self.observer.exposition()


@asynccontextmanager
async def served(worker: Worker) -> AsyncIterator[str]:
    server = HttpServer(
        ("127.0.0.1", 0), metrics=worker.metrics, live=lambda: WELL, ready=lambda: WELL
    )
    await server.start()
    try:
        yield f"127.0.0.1:{server.port}"
    finally:
        await server.stop()


async def until(true: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + PATIENCE_S
    while not await asyncio.to_thread(true):
        assert time.monotonic() < give_up_at, "it did not come true"
        await asyncio.sleep(0.2)


async def test_every_rule_is_well_every_panel_shows_data_and_an_alert_fires(
    prometheus: str, tmp_path: Path
) -> None:
    worker = Worker()
    async with served(worker) as address:
        server = await asyncio.to_thread(
            PrometheusServer(prometheus, tmp_path, [address]).__enter__
        )
        try:
            await _walk(server, worker)
        finally:
            await asyncio.to_thread(server.__exit__)


async def _walk(server: PrometheusServer, worker: Worker) -> None:
    expected = {title for title, _ in queries()} - {"Alerts that fire"}
    await until(lambda: _with_data(server) >= expected)
    await until(lambda: all(rule["health"] == "ok" for rule in server.rules()))
    assert len(server.rules()) == len(rules())
    assert server.alerts() == {}

    worker.broken = 50
    await until(lambda: server.alerts().get("DecorumDeadLetterBudgetBurnsFast") == "firing")
    await until(lambda: "Alerts that fire" in _with_data(server))
    assert {name for name, state in server.alerts().items() if state == "firing"} <= {
        "DecorumDeadLetterBudgetBurnsFast",
        "DecorumDeadLetterBudgetBurnsSlowly",
    }


def _with_data(server: PrometheusServer) -> set[str]:
    return {title for title, query in queries(window="10s") if server.query(query)}
