"""One run: what all benches share, and what each of them leaves behind.

Loads come strictly one after the other; each bench has topics, groups and transactional ids of its
own and removes its topics at the end.
"""

from __future__ import annotations

import sys
import uuid
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

from streams.settings import Settings
from tests.system.bench.cluster import remove_topics
from tests.system.bench.program import Worker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.system.bench.machine import Cores

PARTITIONS = 8


class Run(NamedTuple):
    """What was asked for, and where it happens."""

    bootstrap: str
    scratch: Path
    cores: Cores | None
    quick: bool
    long: bool

    def choose(self, full: int, quick: int) -> int:
        """A size: `quick` only shows that the bench works."""
        return quick if self.quick else full

    @asynccontextmanager
    async def corner(self, name: str) -> AsyncIterator[Settings]:
        """Settings under a prefix of its own; its topics are removed at the end."""
        prefix = f"bench-{name}-{uuid.uuid4().hex[:6]}-"
        settings = Settings(kafka=self.bootstrap, prefix=prefix, partitions=PARTITIONS)
        try:
            yield settings
        finally:
            await remove_topics(settings)

    def worker(
        self,
        settings: Settings,
        start_ms: int,
        *,
        stands_still: bool = False,
        anywhere: bool = False,
    ) -> Worker:
        """Start a worker on its core, or `anywhere`."""
        log = self.scratch / f"{settings.prefix}{uuid.uuid4().hex[:4]}.log"
        cores = None if anywhere else self.worker_cores
        return Worker(settings, log, cores, start_ms, stands_still=stands_still)

    @property
    def worker_cores(self) -> frozenset[int] | None:
        return self.cores.worker if self.cores else None

    def say(self, text: str) -> None:
        """Tell whoever waits what is being done."""
        print(f"  {text}", file=sys.stderr, flush=True)
