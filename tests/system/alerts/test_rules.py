"""The rules: they parse, ask for what exists, fire and keep silent, and have their runbook."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml

from streams.ops.distribution import LATENCY_BUCKETS_S
from tests.support.paths import ROOT
from tests.system.alerts.names import RULE_FILES, asked, rules, series, wrong_labels

if TYPE_CHECKING:
    from tests.system.alerts.conftest import Promtool

CASES: Final = sorted(Path(__file__).parent.glob("*.test.yml"))
ALERTS: Final = [rule for rule in rules() if "alert" in rule]
NAMES: Final = [alert["alert"] for alert in ALERTS]


def sections(document: str) -> dict[str, str]:
    """Headings of the second level, as their anchors, with what stands below."""
    text = (ROOT / document).read_text(encoding="utf-8")
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)[1:]
    return {anchor(head): body for head, body in zip(parts[::2], parts[1::2], strict=True)}


def anchor(heading: str) -> str:
    """As GitHub and GitLab make it of a heading."""
    return re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("file", RULE_FILES, ids=lambda file: file.name)
def test_the_rules_are_valid(promtool: Promtool, file: Any) -> None:
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", str(file))
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_configuration_is_valid_and_finds_the_rules(promtool: Promtool) -> None:
    done = promtool("check", "config", str(ROOT / "deploy" / "prometheus" / "prometheus.yml"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(RULE_FILES)} rule files found" in done.stdout


@pytest.mark.parametrize("file", CASES, ids=lambda file: file.name)
def test_alerts_fire_when_they_should_and_only_then(promtool: Promtool, file: Any) -> None:
    done = promtool("test", "rules", str(file))
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tried_firing_and_silent() -> None:
    fired: set[str] = set()
    silent: set[str] = set()
    for file in CASES:
        for case in yaml.safe_load(file.read_text(encoding="utf-8"))["tests"]:
            for check in case["alert_rule_test"]:
                (fired if check["exp_alerts"] else silent).add(check["alertname"])
    assert fired == set(NAMES)
    assert silent == set(NAMES)


def test_rules_ask_for_series_that_exist_with_labels_that_exist() -> None:
    known = series()
    for rule in rules():
        name = rule.get("alert") or rule["record"]
        assert asked(rule["expr"]) - known == set(), name
        assert wrong_labels(rule["expr"]) == [], name


def test_every_recorded_series_is_asked_for() -> None:
    dashboard = (ROOT / "deploy" / "grafana" / "decorum.json").read_text(encoding="utf-8")
    wanted = asked(dashboard).union(*(asked(rule["expr"]) for rule in rules()))
    assert {rule["record"] for rule in rules() if "record" in rule} <= wanted


@pytest.mark.parametrize("alert", ALERTS, ids=NAMES)
def test_an_alert_says_how_bad_it_is_and_where_its_runbook_stands(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in {"page", "ticket"}
    assert alert["annotations"].keys() == {"summary", "description", "runbook_url"}
    document, _, heading = alert["annotations"]["runbook_url"].partition("#")
    assert heading == alert["alert"].lower()
    assert heading in sections(document)


@pytest.mark.parametrize("name", NAMES)
def test_a_runbook_tells_what_to_look_at_what_to_do_and_when_it_is_over(name: str) -> None:
    body = sections("docs/runbooks.md")[name.lower()]
    for part in ("**It means.**", "**Look.**", "**Do.**", "**Over**"):
        assert part in body, part
    assert "```" in body


def test_runbooks_ask_for_series_that_exist() -> None:
    text = (ROOT / "docs" / "runbooks.md").read_text(encoding="utf-8")
    known = series()
    for block in re.findall(r"```promql\n(.*?)```", text, re.DOTALL):
        assert asked(block) - known == set(), block
        assert wrong_labels(block) == [], block


def test_the_reason_of_every_number_stands_beside_it() -> None:
    """Above the alert, with how long it has to last; of budgets, at the top of the file."""
    for file in RULE_FILES:
        text = file.read_text(encoding="utf-8")
        for comment, name, body in re.findall(
            r"((?: +#.*\n)*) +- alert: (\w+)\n((?: {8}.*\n)+)", text
        ):
            reason = comment if "Budget" not in name else text.partition("\ngroups:")[0]
            lasts = re.search(r"^ +for: (\d+)(\w)$", body, re.MULTILINE)
            said = f"{lasts[1]} {lasts[2]}" if lasts and "Budget" not in name else "#"
            assert said in reason, name


def test_what_it_costs_to_move_a_threshold_is_said_of_every_alert() -> None:
    text = sections("docs/runbooks.md")["thresholds"]
    table = re.findall(r"^\| (Decorum.*?) \|", text, re.MULTILINE)
    assert sorted(name for row in table for name in row.split(", ")) == sorted(NAMES)


def test_the_latency_objective_is_a_bound_that_prometheus_counts() -> None:
    asked_for = {b for rule in rules() for b in re.findall(r'le="([\d.]+)"', rule["expr"])}
    assert asked_for
    assert asked_for <= {str(bound) for bound in LATENCY_BUCKETS_S}


def test_no_runbook_outlives_its_alert() -> None:
    kept = [head for head in sections("docs/runbooks.md") if head.startswith("decorum")]
    assert sorted(kept) == sorted(name.lower() for name in NAMES)
