"""A run in one table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.integration.replication.faults import KINDS
from tests.system.chaos.table import gap_row, lined_up, told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.replication.run import Result
    from tests.system.chaos.table import Row


def table(result: Result) -> str:
    """Two columns; then the deaths, one by one; then what was found, where something was."""
    findings = [*result.report.findings.items(), ("exit", result.crew.wrong)]
    return "\n".join([*lined_up(_rows(result)), *_deaths(result), *told(findings)])


def _rows(result: Result) -> Iterator[Row]:
    report, counts, options = result.report, result.report.counts, result.options
    replicas = ", ".join(map(str, sorted(result.replicas)))
    yield "cluster", f"3 nodes, every partition {replicas} times, 2 must have it"
    yield (
        "load",
        (
            f"{options.workers} workers, {options.rate}/s for {result.took_s['load']:.0f} s:"
            f" {result.sent} records, {counts['interactions']} interactions"
        ),
    )
    yield "intents", f"{counts['intents']} for {counts['asked']} customers"
    yield "decided", f"{counts['decided']}, and {counts['repeats']} duplicates"
    yield "of these", f"{counts['approved ok']} approved"
    for kind in ("lost", "doubled", "invented", "misplaced", "over cap", "unjustified"):
        yield kind, str(report.number(kind))
    yield "wrong in the state", str(report.number("state"))
    yield "still held", str(counts["held"])
    yield "poison", f"{counts['poison']} records, {report.number('dead letters')} letters wrong"
    yield "unacknowledged", f"{result.unacknowledged} records the load gave up"
    yield "aborted records", f"{counts['aborted']} written, none of them committed"
    yield gap_row(result.gap)
    yield "drained in", f"{result.took_s['drain']:.1f} s"
    yield "worker exits", ", ".join(f"{n} × {why}" for why, n in sorted(result.crew.exits.items()))
    yield "all clean", "yes" if result.clean else "NO"


def _deaths(result: Result) -> Iterator[str]:
    yield f"\n{'node killed (kill -9)':<45}  node  led  silent  in sync again"
    for death in result.deaths:
        what = f"{death.kind}: {KINDS[death.kind]}"
        yield (
            f"{what:<45}  {death.node:>4}  {death.led:>3}  {death.silent_s:>4.1f} s"
            f"  {death.healed_s:>11.1f} s"
        )
