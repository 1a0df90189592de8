"""Is this worker alive, and is it ready? Supervisors act on both answers.

A supervisor restarts a worker that is not live, so `liveness` is false only where a restart helps:
never while state is restored, because a restart would begin that again. `readiness` is false until
every assigned partition accepts records, and while the worker keeps warm-up replicas of partitions
that will move here: a rolling restart has to wait for them. A worker without partitions (there are
more workers than units) is ready to take over.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from streams.ops.http import Health

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.runtime.snapshot import StageSnapshot

STALLED_S: Final = 60.0
"""A partition with waiting records that commits nothing for this long is not alive: four times the
longest that a transaction may stay open."""


def liveness(stages: Mapping[str, StageSnapshot]) -> Health:
    """Whether waiting records make progress. Any answer at all shows that the event loop runs."""
    stalled = [
        name
        for name, stage in stages.items()
        if stage.waiting_records and stage.progress_age_seconds > STALLED_S
    ]
    return Health(not stalled, {"stalled_stages": stalled, "at": time.time()})


def readiness(stages: Mapping[str, StageSnapshot], *, joined: bool) -> Health:
    """Whether everything assigned is restored and nothing more will move here.

    `joined`: this worker has an assignment from its group.
    """
    behind = [name for name, stage in stages.items() if _is_restoring(stage)]
    coming = [name for name, stage in stages.items() if stage.warming]
    detail: dict[str, Any] = {
        name: {
            "assigned": stage.assigned,
            "accepting": stage.accepting,
            "warming": stage.warming,
        }
        for name, stage in stages.items()
    }
    body = {"joined": joined, "recovering": behind, "warming": coming, "stages": detail}
    return Health(joined and not behind and not coming, body)


def _is_restoring(stage: StageSnapshot) -> bool:
    return stage.accepting != stage.assigned
