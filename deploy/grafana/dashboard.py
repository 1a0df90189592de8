"""The dashboard for whoever is on duty, read from the top: is it well, and if not, where.

`python -m deploy.grafana.dashboard > deploy/grafana/decorum.json` writes it anew, for Grafana 11
and newer; a test compares. What stands on it is in panels.py; here it only takes form.
"""

from __future__ import annotations

import json
import sys
from itertools import count
from typing import TYPE_CHECKING, Final

from grafana_foundation_sdk.builders import dashboard, prometheus, stat, statetimeline, timeseries
from grafana_foundation_sdk.builders.common import (
    ReduceDataOptions,
    StackingConfig,
    VizLegendOptions,
    VizTooltipOptions,
)
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DataSourceRef,
    Threshold,
    ThresholdsMode,
    VariableRefresh,
)

from deploy.grafana.panels import ALERTS, BURN, ROWS, WELL

if TYPE_CHECKING:
    from deploy.grafana.parts import Graph, Limits, Number

    Panel = stat.Panel | timeseries.Panel | statetimeline.Panel

WIDTH: Final = 24
SOURCE: Final = DataSourceRef(type_val="prometheus", uid="$source")


def build() -> str:
    """The dashboard as Grafana's JSON."""
    board = (
        dashboard.Dashboard("Decorum")
        .uid("decorum")
        .description("The gate in front of sending. Runbooks: docs/runbooks.md")
        .tags(["decorum"])
        .refresh("30s")
        .time("now-3h", "now")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(dashboard.DatasourceVariable("source").type("prometheus").label("Source"))
        .with_variable(
            dashboard.QueryVariable("job")
            .label("Environment")
            .datasource(SOURCE)
            .query('label_values(up{job=~"decorum.*"}, job)')
            .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        )
        .with_row(dashboard.Row("Is it well?").id(100))
    )
    ids = count(1)
    for place, number in enumerate(WELL):
        wider = place < WIDTH % len(WELL)
        board.with_panel(_number(number).id(next(ids)).height(4).span(WIDTH // len(WELL) + wider))
    board.with_panel(_alerts().id(next(ids)).height(5).span(WIDTH))
    for title, graphs in ROWS:
        board.with_row(dashboard.Row(title).id(next(ids)))
        for graph in graphs:
            board.with_panel(_graph(graph).id(next(ids)).height(7).span(WIDTH // len(graphs)))
    return json.dumps(board.build(), cls=JSONEncoder, indent=2, sort_keys=True) + "\n"


def _query(expression: str, legend: str, name: str = "A") -> prometheus.Dataquery:
    return prometheus.Dataquery().expr(expression).legend_format(legend).ref_id(name)


def _number(number: Number) -> stat.Panel:
    return (
        stat.Panel()
        .title(number.title)
        .description(number.help)
        .datasource(SOURCE)
        .unit(number.unit)
        .decimals(1 if number.limits is BURN else 0)
        .color_mode(BigValueColorMode.BACKGROUND)
        .reduce_options(ReduceDataOptions().calcs(["lastNotNull"]))
        .thresholds(_thresholds(number.limits))
        .with_target(_query(number.query, number.title).instant())
    )


def _thresholds(limits: Limits) -> dashboard.ThresholdsConfig:
    steps = [Threshold(value=None, color="green")]
    steps += [Threshold(value=value, color=color) for value, color in limits]
    return dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)


def _alerts() -> statetimeline.Panel:
    return (
        statetimeline.Panel()
        .title("Alerts that fire")
        .description("What each one means and what to do: docs/runbooks.md")
        .datasource(SOURCE)
        .no_value("none")
        .with_target(_query(ALERTS, "{{alertname}} ({{severity}})"))
    )


def _graph(graph: Graph) -> timeseries.Panel:
    panel = (
        timeseries.Panel()
        .title(graph.title)
        .datasource(SOURCE)
        .unit(graph.unit)
        .min(0)
        .fill_opacity(60 if graph.stacked else 5)
        .legend(
            VizLegendOptions()
            .display_mode(LegendDisplayMode.LIST)
            .placement(LegendPlacement.BOTTOM)
            .show_legend(True)  # noqa: FBT003 (the kit's own way)
        )
        .tooltip(VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING))
    )
    if graph.help:
        panel.description(graph.help)
    if graph.stacked:
        panel.stacking(StackingConfig().mode(StackingMode.NORMAL))
    for number, (expression, legend) in enumerate(graph.queries):
        panel.with_target(_query(expression, legend, "ABCDEFGH"[number]))
    return panel


if __name__ == "__main__":
    sys.stdout.write(build())
