"""A real Prometheus with our rules, on this machine, asked over its API."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING, Any, Final, Self

import yaml

from streams.local.kafka import HOST, free_port
from tests.support.paths import ROOT
from tests.system.alerts.names import RULE_FILES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

CONFIGURATION: Final = ROOT / "deploy" / "prometheus" / "prometheus.yml"
START_TIMEOUT_S: Final = 30.0
PAUSE_S: Final = 0.1


class PrometheusServer:
    """deploy/prometheus/prometheus.yml with other targets and another pace; a context manager."""

    def __init__(
        self, program: str, directory: Path, targets: Sequence[str], every_s: float = 1
    ) -> None:
        """`every_s`: between two scrapes, and between two evaluations of the rules."""
        self.address = f"{HOST}:{free_port()}"
        self._program, self._directory = program, directory
        self._targets, self._every = list(targets), f"{round(every_s * 1000)}ms"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        file = self._directory / "prometheus.yml"
        file.write_text(yaml.safe_dump(self._configuration()), encoding="utf-8")
        command = [
            self._program,
            f"--config.file={file}",
            f"--storage.tsdb.path={self._directory / 'data'}",
            f"--web.listen-address={self.address}",
            "--log.level=warn",
        ]
        with (self._directory / "prometheus.log").open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        self._wait_until_ready()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series that an expression gives now. Raises OSError when it is refused."""
        result: list[dict[str, Any]] = self._get("query", query=expression)["result"]
        return result

    def alerts(self) -> dict[str, str]:
        """`pending` or `firing` for each alert that is one of both."""
        states: dict[str, str] = {}
        for alert in self._get("alerts")["alerts"]:
            name = alert["labels"]["alertname"]
            states[name] = "firing" if "firing" in {alert["state"], states.get(name)} else "pending"
        return states

    def rules(self) -> list[dict[str, Any]]:
        """Every rule with its health and last error."""
        return [rule for group in self._get("rules")["groups"] for rule in group["rules"]]

    def _get(self, path: str, **parameters: str) -> Mapping[str, Any]:
        url = f"http://{self.address}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            data: Mapping[str, Any] = json.load(answer)["data"]
        return data

    def _configuration(self) -> dict[str, Any]:
        document: dict[str, Any] = yaml.safe_load(CONFIGURATION.read_text(encoding="utf-8"))
        for name in ("scrape_interval", "scrape_timeout", "evaluation_interval"):
            document["global"][name] = self._every
        document["rule_files"] = [str(file) for file in RULE_FILES]
        (scrape,) = document["scrape_configs"]
        scrape["static_configs"] = [{"targets": self._targets}]
        return document

    def _wait_until_ready(self) -> None:
        give_up_at = time.monotonic() + START_TIMEOUT_S
        while not self._ready():
            if time.monotonic() > give_up_at or (self._process and self._process.poll()):
                log = (self._directory / "prometheus.log").read_text(encoding="utf-8")
                raise RuntimeError(f"Prometheus did not start:\n{log}")
            time.sleep(PAUSE_S)

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self.address}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False
