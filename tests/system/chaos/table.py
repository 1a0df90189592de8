"""A run in one table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.system.chaos.ghosts import UNHEARD

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tests.system.chaos.ghosts import Haunting
    from tests.system.chaos.run import Result
    from tests.system.chaos.silences import Gap

FAULTS = {
    "kills": "kill -9",
    "zombies": "frozen and thawed",
    "terms": "asked to end",
    "broker": "broker killed",
    "freezes": "broker frozen for 1 to 4 s",
    "slow": "slow network",
    "holds": "network standing still",
    "cuts": "network cut",
    "ahead": "clock ahead and back",
    "behind": "clock behind and back",
}
COUNTED = (
    *("lost", "doubled", "torn", "invented", "misplaced", "over cap"),
    *("wrongly denied", "wrongly deferred", "wrongly approved", "wrongly expired"),
    *("under a brake", "before their turn", "wrong figures", "clock back"),
)
SHOWN = 5

Row = tuple[str, str]


def table(result: Result) -> str:
    """Two columns; then what was found, where something was."""
    exits = [*result.crew.wrong, *result.unexplained]
    findings = [*result.report.findings.items(), ("exit", exits)]
    return "\n".join([*lined_up(_rows(result)), *told(findings)])


def lined_up(rows: Iterable[Row]) -> list[str]:
    """A line for each row, the values below each other."""
    known = list(rows)
    width = max(len(name) for name, _ in known)
    return [f"{name:<{width}}  {value}" for name, value in known]


def told(findings: Iterable[tuple[str, Sequence[str]]]) -> Iterator[str]:
    """Sentences by kind, the first of each."""
    for kind, sentences in findings:
        yield from (f"{kind}: {sentence}" for sentence in sentences[:SHOWN])
        if len(sentences) > SHOWN:
            yield f"{kind}: … and {len(sentences) - SHOWN} more"


def gap_row(gap: Gap) -> Row:
    """The longest time in which a partition gave no decision."""
    return "longest gap", (
        f"{gap.seconds:.1f} s without a decision in partition {gap.partition},"
        f" {gap.from_s:.0f} s after the start"
    )


def _rows(result: Result) -> Iterator[Row]:
    report, counts, options = result.report, result.report.counts, result.options
    faults = options.counts._asdict().items()
    yield "faults survived", ", ".join(f"{n} × {FAULTS[kind]}" for kind, n in faults if n) or "none"
    yield "brokers", f"{options.brokers}, and every record on each"
    if options.ghosts:
        yield from _ghosts(result.haunting)
    yield (
        "load",
        (
            f"{options.workers} workers, {options.rate}/s for {result.took_s['load']:.0f} s:"
            f" {result.sent} records, {counts['interactions']} interactions"
        ),
    )
    yield "intents", f"{counts['intents']} for {counts['asked']} customers"
    yield "decided", f"{counts['decided']}, and {counts['repeats']} duplicates"
    yield "of these", f"{counts['approved ok']} approved, {_sum(result, 'expired')} expired"
    yield "deferrals", str(_sum(result, "deferred"))
    yield "accounts braked", f"{counts['brakes']} ×"
    for kind in COUNTED:
        yield kind, str(report.number(kind))
    yield "wrong in the state", str(report.number("state"))
    yield "unbalanced", str(counts["unbalanced"])
    yield "still held", str(counts["held"])
    yield "poison", f"{counts['poison']} records, {_letters(result)}"
    if options.noise:
        taken = ", ".join(f"{number} × {how}" for how, number in sorted(result.noise.taken.items()))
        yield "noise on the log", f"{taken}; {counts['broken']} of these batches are broken"
    yield "strays forwarded", str(counts["strays"])
    yield "transactions", f"{counts['transactions']} seen on the wire, each whole or not at all"
    yield "aborted records", f"{counts['aborted']} written, none of them committed"
    yield "recovery p50 / p95", f"{result.recovery_s(0.5):.1f} s / {result.recovery_s(0.95):.1f} s"
    if result.recoveries_s:
        longest_s, kind = max(result.recoveries_s)
        yield "longest recovery", f"{longest_s:.1f} s, after: {FAULTS[kind]}"
    yield gap_row(result.gap)
    yield "drained in", f"{result.drained_s:.1f} s"
    yield "ended by a ghost", f"{len(result.unexplained)} workers"
    yield "worker exits", ", ".join(f"{n} × {why}" for why, n in sorted(result.crew.exits.items()))
    yield "all clean", "yes" if result.clean else "NO"


def _ghosts(haunting: Haunting) -> Iterator[Row]:
    """How many requests came late, and what the broker did with them, by their kind."""
    counters = haunting.tally()
    unheard = sum(answers[UNHEARD] for answers in counters.values())
    accepted = sum(answers["ok"] for answers in counters.values())
    delivered = sum(answers.total() for answers in counters.values()) - unheard
    yield "ghosts", f"{delivered} delivered, {accepted} of them accepted by the broker"
    for kind, answers in counters.items():
        said = ", ".join(f"{number} × {answer}" for answer, number in answers.most_common())
        yield f"  {kind}", said or "none"


def _letters(result: Result) -> str:
    """The dead letters, by reason."""
    letters = {
        name.removeprefix("letter "): number
        for name, number in sorted(result.report.counts.items())
        if name.startswith("letter ")
    }
    by_reason = ", ".join(f"{number} × {reason}" for reason, number in letters.items())
    wrong = result.report.number("dead letters")
    return f"{sum(letters.values())} dead letters ({by_reason}), {wrong} wrong or missing"


def _sum(result: Result, outcome: str) -> int:
    counts = result.report.counts
    return sum(n for name, n in counts.items() if name.startswith(f"{outcome} "))
