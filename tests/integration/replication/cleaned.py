"""A run on compacted changelogs in one table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.system.chaos.table import lined_up, told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.replication.compaction import Result
    from tests.system.chaos.table import Row


def cleaned_table(result: Result) -> str:
    """Two columns; then what was found, where something was."""
    others = [("exit", result.wrong_exits), ("recovered", result.differences)]
    return "\n".join([*lined_up(_rows(result)), *told([*result.report.findings.items(), *others])])


def _rows(result: Result) -> Iterator[Row]:
    report, counts, left = result.report, result.report.counts, result.left
    yield "workers", f"{result.kills} × kill -9 of one or all, recovery from logs being cleaned"
    yield "decided", f"{counts['decided']}, and {counts['repeats']} duplicates"
    yield "changelogs' records", f"{len(result.seen)} committed, {result.removed} removed"
    yield "of these tombstones", f"{len(result.deleted)}, {result.tombstones_removed} removed"
    yield "markers of commits", f"{len(result.disk.commits)} seen, {len(left.commits)} left"
    yield "markers of aborts", f"{len(result.disk.aborts)} seen, {len(left.aborts)} left"
    yield (
        "recovered and compared",
        f"{result.compared} × under load, and {result.keys} keys at last",
    )
    yield "partitions that differ", str(len(result.differences))
    for kind in ("lost", "doubled", "invented", "misplaced", "over cap", "unjustified"):
        yield kind, str(report.number(kind))
    yield "wrong in the state", str(report.number("state"))
    yield "all clean", "yes" if result.clean else "NO"
