"""Is this worker alive, and is it ready? Two questions that supervisors act upon.

`live` asks for a restart, so it is false only where a restart can help: never while a state is
being recovered, which a restart would begin anew. `ready` is false until every partition given to
this worker takes records, and while it reads others ahead that are to move here: whoever replaces
workers one by one has to wait until they have moved. A worker that was given none, because there
are more workers than units, is ready to take over and says so.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from streams.ops.http import Health

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.runtime.snapshot import StageSnapshot

STALLED_S: Final = 60.0
"""A partition with work waiting that commits nothing for so long is not alive: four times the
longest a transaction may stay open."""


def live(stages: Mapping[str, StageSnapshot]) -> Health:
    """Whether work that waits is done. That this is answered at all shows that the loop runs."""
    stalled = [
        name
        for name, stage in stages.items()
        if stage.waiting_records and stage.progress_age_seconds > STALLED_S
    ]
    return Health(not stalled, {"stalled_stages": stalled, "at": time.time()})


def ready(stages: Mapping[str, StageSnapshot], *, joined: bool) -> Health:
    """Whether all that was assigned is recovered and nothing more is to come; `joined`: the group
    has told who owns what.
    """
    behind = [name for name, stage in stages.items() if _recovering(stage)]
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


def _recovering(stage: StageSnapshot) -> bool:
    return stage.accepting != stage.assigned
