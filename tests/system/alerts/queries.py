"""The dashboard's queries as Prometheus understands them, without Grafana's variables."""

from __future__ import annotations

import json
from typing import Final

from tests.support.paths import ROOT

DASHBOARD: Final = ROOT / "deploy" / "grafana" / "decorum.json"


def queries(job: str = "decorum", window: str = "1m") -> list[tuple[str, str]]:
    """Title and expression of every query; `window` stands for Grafana's rate interval."""
    board = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return [
        (
            panel["title"],
            target["expr"].replace("$job", job).replace("$__rate_interval", window),
        )
        for panel in board["panels"]
        for target in panel.get("targets", ())
    ]
