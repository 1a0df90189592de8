"""What stands on the dashboard, in its order: every panel and every query.

Rules of this file: a panel is one entry of a table; every query names the job, and asks only for
series that workers serve or that deploy/prometheus/rules record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from deploy.grafana.parts import (
    OURS,
    RATE,
    Graph,
    Number,
    highest,
    increase,
    mean,
    quantile,
    rate,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

# A burn rate of 1 spends the month's budget in a month; 6 and 14.4 are what the alerts page at.
BURN: Final = ((1, "yellow"), (6, "orange"), (14.4, "red"))
NONE: Final = ((1, "red"),)
SOME: Final = ((0, "red"), (1, "green"))


UNBALANCED: Final = f"abs(decorum:unbalanced:sum{{{OURS}}})"

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
        f"clamp_min({UNBALANCED} - 30 * decorum:decided:rate5m{{{OURS}}}, 0)",
        "short",
        NONE,
        "Beyond half a minute's traffic, which may be on its way between the stages",
    ),
    Number(
        "Stages standing still",
        f"count({highest('decorum_progress_age_seconds', 'instance, stage')} > 60) or vector(0)",
        "short",
        NONE,
        "With a partition that has not moved for a minute",
    ),
    Number(
        "Partitions nobody decides",
        f"clamp_min(decorum:partitions_undecided:sum{{{OURS}}}, 0)",
        "short",
        NONE,
        "No worker that answers has them, or has their state back; for a moment while they move",
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
                "Intents by kind", "reqps", [(rate("decorum_intents_total", "kind"), "{{kind}}")]
            ),
            Graph(
                "Decisions by outcome",
                "reqps",
                [(rate("decorum_decisions_total", "outcome"), "{{outcome}}")],
                "For each customer of an intent, and each change of a held one",
                stacked=True,
            ),
            Graph(
                "Why not",
                "reqps",
                [
                    (
                        rate("decorum_decisions_total", "reason", ', outcome!="approved"'),
                        "{{reason}}",
                    )
                ],
                "Reasons of everything that was not approved",
                stacked=True,
            ),
            Graph(
                "Interactions by type",
                "reqps",
                [(rate("decorum_interactions_total", "type"), "{{type}}")],
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
                    (quantile(0.5, "decorum_decision_latency_seconds"), "p50"),
                    (quantile(0.99, "decorum_decision_latency_seconds"), "p99"),
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
                [(quantile(0.99, "decorum_chunk_seconds", "le, stage"), "{{stage}}")],
                "From taking records to the end of the commit: mostly the broker's time",
            ),
            Graph(
                "Records in a batch, mean",
                "short",
                [
                    (mean("decorum_chunk_records", "stage"), "{{stage}}"),
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
                [(highest("decorum_deferred_oldest_seconds"), "{{stage}}")],
            ),
            Graph(
                "Records waiting, oldest",
                "s",
                [(highest("decorum_waiting_age_seconds"), "{{stage}}")],
                "Since it was written to Kafka; the objective allows 10 s",
            ),
            Graph(
                "Overdue and without progress",
                "s",
                [
                    (highest("decorum_overdue_seconds"), "{{stage}} overdue"),
                    (highest("decorum_progress_age_seconds"), "{{stage}} progress"),
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
                    (increase("decorum_ceiling_changes_total", "direction"), "{{direction}}"),
                ],
            ),
            Graph(
                "Brake: complaint accepted → limit committed",
                "s",
                [
                    (quantile(0.5, "decorum_brake_seconds"), "p50"),
                    (quantile(0.99, "decorum_brake_seconds"), "p99"),
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
                [(rate("decorum_dead_letters_total", "topic, reason"), "{{topic}} {{reason}}")],
            ),
            Graph(
                "Records in a foreign partition",
                "reqps",
                [(rate("decorum_rerouted_total", "topic"), "{{topic}}")],
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
                    ),
                    (f"clamp_min(sum(decorum:partitions_missing:sum{{{OURS}}}), 0)", "nobody's"),
                ],
            ),
            Graph(
                "Longest restore of what is held now",
                "s",
                [
                    (
                        highest("decorum_recovery_seconds", "instance, stage"),
                        "{{instance}} {{stage}}",
                    )
                ],
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
                [(rate("process_cpu_seconds_total", "instance"), "{{instance}}")],
                "Of one core: a worker cannot use more than one",
            ),
            Graph(
                "Memory",
                "bytes",
                [(highest("process_resident_memory_bytes", "instance"), "{{instance}}")],
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
