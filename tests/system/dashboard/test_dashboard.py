"""The dashboard: what is committed is what the code says, and it asks for what there is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml

from deploy.grafana.dashboard import build
from tests.support.paths import ROOT
from tests.system.alerts.names import asked, rules, series, wrong_labels
from tests.system.alerts.queries import queries

if TYPE_CHECKING:
    from pathlib import Path

    from tests.system.alerts.conftest import Promtool

COMMITTED: Final = ROOT / "deploy" / "grafana" / "decorum.json"
BOARD: Final[dict[str, Any]] = json.loads(COMMITTED.read_text(encoding="utf-8"))
PANELS: Final = [panel for panel in BOARD["panels"] if panel["type"] != "row"]


def test_the_file_is_what_the_code_makes() -> None:
    again = "run `python -m deploy.grafana.dashboard > deploy/grafana/decorum.json`"
    assert COMMITTED.read_text(encoding="utf-8") == build(), again


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_asks_for_series_that_exist_with_labels_that_exist(panel: dict[str, Any]) -> None:
    known = series()
    for target in panel["targets"]:
        assert asked(target["expr"]) - known == set()
        assert wrong_labels(target["expr"]) == []


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_looks_at_one_environment_and_names_its_lines(panel: dict[str, Any]) -> None:
    assert panel["datasource"] == {"type": "prometheus", "uid": "$source"}
    for target in panel["targets"]:
        assert 'job="$job"' in target["expr"]
        assert target["legendFormat"]


def test_queries_parse(promtool: Promtool, tmp_path: Path) -> None:
    named = [{"record": f"query:{number}", "expr": q} for number, (_, q) in enumerate(queries())]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": named}]}))
    done = promtool("check", "rules", str(file))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(named)} rules found" in done.stdout


def test_panels_have_ids_of_their_own_and_fill_their_rows() -> None:
    ids = [panel["id"] for panel in BOARD["panels"]]
    assert len(set(ids)) == len(ids)
    lines: dict[int, int] = {}
    for panel in BOARD["panels"]:
        place = panel["gridPos"]
        lines[place["y"]] = lines.get(place["y"], 0) + place["w"]
    assert set(lines.values()) == {24}


def test_every_budget_stands_in_the_first_line() -> None:
    first = [panel for panel in PANELS if panel["gridPos"]["y"] == PANELS[0]["gridPos"]["y"]]
    shown = set().union(*(asked(target["expr"]) for panel in first for target in panel["targets"]))
    budgets = {rule["record"] for rule in rules() if rule.get("record", "").endswith(":ratio1h")}
    assert budgets <= shown
    assert "decorum:unbalanced:sum" in shown


def test_grafana_is_told_where_everything_is() -> None:
    directory = ROOT / "deploy" / "grafana" / "provisioning"
    (source,) = yaml.safe_load((directory / "datasources" / "prometheus.yml").read_text())[
        "datasources"
    ]
    (provider,) = yaml.safe_load((directory / "dashboards" / "decorum.yml").read_text())[
        "providers"
    ]
    scrape = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())
    assert source["type"] == "prometheus"
    assert source["jsonData"]["timeInterval"] == scrape["global"]["scrape_interval"]
    assert provider["options"]["path"] == "/var/lib/grafana/dashboards"
