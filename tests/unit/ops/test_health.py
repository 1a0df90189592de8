from __future__ import annotations

from streams.ops.health import STALLED_S, liveness, readiness
from streams.runtime.snapshot import StageSnapshot

LATE = STALLED_S + 1


def stage(
    assigned: tuple[int, ...] = (0, 1),
    accepting: tuple[int, ...] | None = None,
    *,
    warming: tuple[int, ...] = (),
    waiting: int = 0,
    age_s: float = 0.0,
) -> StageSnapshot:
    rest = dict.fromkeys(StageSnapshot._fields, 0)
    known = {
        "assigned": assigned,
        "accepting": assigned if accepting is None else accepting,
        "warming": warming,
        "waiting_records": waiting,
        "progress_age_seconds": age_s,
    }
    return StageSnapshot(**(rest | known))  # type: ignore[arg-type]


def test_a_worker_that_does_what_waits_is_alive() -> None:
    assert liveness({"customer": stage(waiting=9, age_s=STALLED_S)}).ok
    assert liveness({"customer": stage(waiting=0, age_s=LATE)}).ok
    assert liveness({}).ok


def test_a_worker_whose_work_waits_without_progress_is_not_alive() -> None:
    health = liveness({"account": stage(), "customer": stage(waiting=1, age_s=LATE)})
    assert not health.ok
    assert health.detail["stalled_stages"] == ["customer"]


def test_a_recovery_hides_no_stall_beside_it() -> None:
    """What is recovered has no age; what is told here is of a partition that takes records."""
    assert not liveness({"customer": stage((0, 1), (0,), waiting=9, age_s=LATE)}).ok
    assert liveness({"customer": stage((0, 1), (0,), waiting=9, age_s=0.0)}).ok


def test_a_worker_is_ready_when_all_it_was_given_takes_records() -> None:
    health = readiness({"account": stage((0,)), "customer": stage((0, 1))}, joined=True)
    assert health.ok
    told = {"assigned": (0, 1), "accepting": (0, 1), "warming": ()}
    assert health.detail["stages"]["customer"] == told


def test_a_worker_is_not_ready_while_anything_recovers() -> None:
    health = readiness({"account": stage((0,)), "customer": stage((0, 1), (1,))}, joined=True)
    assert not health.ok
    assert health.detail["recovering"] == ["customer"]


def test_a_worker_is_not_ready_while_it_reads_ahead_what_is_to_move_here() -> None:
    """Or a rolling update would stop the next worker before this one carries its part."""
    health = readiness({"account": stage((0,)), "customer": stage((0,), warming=(1,))}, joined=True)
    assert not health.ok
    assert health.detail["warming"] == ["customer"]
    assert health.detail["recovering"] == []


def test_reading_ahead_beside_a_stall_hides_no_stall() -> None:
    """What is read ahead is another worker's; what stands still is this one's."""
    assert not liveness({"customer": stage((0,), warming=(1,), waiting=1, age_s=LATE)}).ok


def test_a_worker_more_than_there_are_partitions_is_ready() -> None:
    assert readiness({"account": stage(()), "customer": stage(())}, joined=True).ok


def test_a_worker_whom_the_group_has_told_nothing_is_not_ready() -> None:
    assert not readiness({}, joined=False).ok
    assert not readiness({"customer": stage(())}, joined=False).ok
