"""What stands on the dashboard, in its order: every panel and every query.

Rules of this file: a panel is one entry of a table; every query names the job, and asks only for
series that workers serve or that deploy/prometheus/rules record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    Limits = Sequence[tuple[float, str]]

OURS: Final = 'job="$job"'
RATE: Final = "$__rate_interval"

# A burn rate of 1 spends the month's budget in a month; 6 and 14.4 are what the alerts page at.
BURN: Final = ((1, "yellow"), (6, "orange"), (14.4, "red"))
NONE: Final = ((1, "red"),)
SOME: Final = ((0, "red"), (1, "green"))


class Number(NamedTuple):
    """A panel with one number, coloured from its first limit on."""

    title: str
    query: str
    unit: str
    limits: Limits
    help: str


class Graph(NamedTuple):
    """A panel over time: queries with their legends."""

    title: str
    unit: str
    queries: Sequence[tuple[str, str]]
    help: str = ""
    stacked: bool = False


def _rate(metric: str, by: str, more: str = "") -> str:
    return f"sum by ({by}) (rate({metric}{{{OURS}{more}}}[{RATE}]))"


def _increase(metric: str, by: str) -> str:
    return f"sum by ({by}) (increase({metric}{{{OURS}}}[{RATE}]))"


def _mean(metric: str, by: str) -> str:
    return f"{_rate(f'{metric}_sum', by)} / {_rate(f'{metric}_count', by)}"


def _quantile(share: float, metric: str, by: str = "le") -> str:
    return f"histogram_quantile({share}, {_rate(f'{metric}_bucket', by)})"


def _max(metric: str, by: str = "stage") -> str:
    return f"max by ({by}) ({metric}{{{OURS}}})"


WELL: Final[Sequence[Number]] = (
    Number(
        "Latency budget, burn rate",
        f"decorum:latency_errors:ratio1h{{{OURS}}} / 0.01",
        "suffix:×",
        BURN,
        "Over the last hour; 1 is what the objective allows: 99 % within 0.5 s",
    ),
    Number(
        "Dead-letter budget, burn rate",
        f"max(decorum:dead_letters:ratio1h{{{OURS}}}) / 0.001",
        "suffix:×",
        BURN,
        "Of the worse input topic; 1 is what the objective allows: 99.9 % are events",
    ),
    Number(
        "Freshness budget, burn rate",
        f"decorum:stale:ratio1h{{{OURS}}} / 0.005",
        "suffix:×",
        BURN,
        "1 is what the objective allows: 99.5 % of the time nothing waits for more than 10 s",
    ),
    Number(
        "Unbalanced intents",
        f"abs(decorum:unbalanced:sum{{{OURS}}})",
        "short",
        NONE,
        "0 at rest; under load as many as are on their way between the stages",
    ),
    Number(
        "Stages standing still",
        f"count({_max('decorum_progress_age_seconds', 'instance, stage')} > 60) or vector(0)",
        "short",
        NONE,
        "With a partition that has not moved for a minute",
    ),
    Number("Workers", f"sum(up{{{OURS}}})", "short", SOME, "That answer now"),
)

ALERTS: Final = (
    f'max by (alertname, severity) (ALERTS{{{OURS}, alertstate="firing"}}) or max by (alertname, '
    'severity) (ALERTS{alertname="DecorumNoWorkers", alertstate="firing"})'
)
"""Where no worker is left, there is no job to name either."""

ROWS: Final[Sequence[tuple[str, Sequence[Graph]]]] = (
    (
        "Traffic",
        (
            Graph(
                "Intents by kind", "reqps", [(_rate("decorum_intents_total", "kind"), "{{kind}}")]
            ),
            Graph(
                "Decisions by outcome",
                "reqps",
                [(_rate("decorum_decisions_total", "outcome"), "{{outcome}}")],
                "For each customer of an intent, and each change of a held one",
                stacked=True,
            ),
            Graph(
                "Why not",
                "reqps",
                [
                    (
                        _rate("decorum_decisions_total", "reason", ', outcome!="approved"'),
                        "{{reason}}",
                    )
                ],
                "Reasons of everything that was not approved",
                stacked=True,
            ),
            Graph(
                "Interactions by type",
                "reqps",
                [(_rate("decorum_interactions_total", "type"), "{{type}}")],
            ),
        ),
    ),
    (
        "Latency",
        (
            Graph(
                "Intent accepted → first decision committed",
                "s",
                [
                    (_quantile(0.5, "decorum_decision_latency_seconds"), "p50"),
                    (_quantile(0.99, "decorum_decision_latency_seconds"), "p99"),
                ],
            ),
            Graph(
                "Later than 0.5 s",
                "percentunit",
                [(f"decorum:latency_errors:ratio5m{{{OURS}}}", "share")],
                "The objective allows 1 %",
            ),
            Graph(
                "Batch, p99",
                "s",
                [(_quantile(0.99, "decorum_chunk_seconds", "le, stage"), "{{stage}}")],
                "From taking records to the end of the commit: mostly the broker's time",
            ),
            Graph(
                "Records in a batch, mean",
                "short",
                [
                    (_mean("decorum_chunk_records", "stage"), "{{stage}}"),
                ],
            ),
        ),
    ),
    (
        "What waits",
        (
            Graph(
                "Held intents",
                "short",
                [(f"sum by (stage) (decorum_deferred{{{OURS}}})", "{{stage}}")],
            ),
            Graph(
                "Oldest held intent",
                "s",
                [(_max("decorum_deferred_oldest_seconds"), "{{stage}}")],
            ),
            Graph(
                "Records waiting, oldest",
                "s",
                [(_max("decorum_waiting_age_seconds"), "{{stage}}")],
                "Since it was written to Kafka; the objective allows 10 s",
            ),
            Graph(
                "Overdue and without progress",
                "s",
                [
                    (_max("decorum_overdue_seconds"), "{{stage}} overdue"),
                    (_max("decorum_progress_age_seconds"), "{{stage}} progress"),
                ],
            ),
        ),
    ),
    (
        "Accounts",
        (
            Graph(
                "Accounts by grade",
                "short",
                [(f"decorum:accounts:sum{{{OURS}}}", "{{grade}}")],
                stacked=True,
            ),
            Graph(
                "Changes of ceilings",
                "short",
                [
                    (_increase("decorum_ceiling_changes_total", "direction"), "{{direction}}"),
                ],
            ),
            Graph(
                "Brake: complaint accepted → limit committed",
                "s",
                [
                    (_quantile(0.5, "decorum_brake_seconds"), "p50"),
                    (_quantile(0.99, "decorum_brake_seconds"), "p99"),
                ],
            ),
        ),
    ),
    (
        "What producers get wrong",
        (
            Graph(
                "Dead letters",
                "reqps",
                [(_rate("decorum_dead_letters_total", "topic, reason"), "{{topic}} {{reason}}")],
            ),
            Graph(
                "Records in a foreign partition",
                "reqps",
                [(_rate("decorum_rerouted_total", "topic"), "{{topic}}")],
                "Forwarded to their place: a producer's partitioner is not Java's",
            ),
        ),
    ),
    (
        "Recovery and state",
        (
            Graph(
                "Partitions",
                "short",
                [
                    (
                        f"sum by (instance, status) (decorum_partitions{{{OURS}}})",
                        "{{instance}} {{status}}",
                    )
                ],
            ),
            Graph(
                "Longest restore of what is held now",
                "s",
                [(_max("decorum_recovery_seconds", "instance, stage"), "{{instance}} {{stage}}")],
            ),
            Graph("Keys of state", "short", [(f"decorum:state_keys:sum{{{OURS}}}", "{{stage}}")]),
        ),
    ),
    (
        "Processes",
        (
            Graph(
                "CPU",
                "percentunit",
                [(_rate("process_cpu_seconds_total", "instance"), "{{instance}}")],
                "Of one core: a worker cannot use more than one",
            ),
            Graph(
                "Memory",
                "bytes",
                [(_max("process_resident_memory_bytes", "instance"), "{{instance}}")],
            ),
            Graph(
                "Starts",
                "short",
                [(f"changes(process_start_time_seconds{{{OURS}}}[{RATE}])", "{{instance}}")],
            ),
            Graph(
                "Versions",
                "short",
                [(f"count by (version) (decorum_build_info{{{OURS}}})", "{{version}}")],
            ),
        ),
    ),
)
