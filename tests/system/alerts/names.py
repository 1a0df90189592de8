"""Which series there are, and which an expression asks for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import yaml

from streams.ops.catalogue import LABEL_VALUES, METRICS, PREFIX
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

RULE_FILES: Final = sorted((ROOT / "deploy" / "prometheus" / "rules").glob("*.yml"))

CLIENTS: Final = {
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
}
"""What the Prometheus client tells of the process, on Linux."""

_NAME = re.compile(r"\b(?:decorum[a-z0-9_:]*|process_[a-z_]+|python_[a-z_]+)\b")
_JOB = re.compile(r"\bjob=~?\"[^\"]*\"")
_MATCHER = re.compile(r"(decorum_[a-z_]+)\{([^}]*)\}")
_PAIR = re.compile(r'(\w+)(=~|!~|!=|=)"([^"]*)"')


def rules() -> list[dict[str, Any]]:
    """Every recording rule and alert."""
    files = [yaml.safe_load(file.read_text(encoding="utf-8")) for file in RULE_FILES]
    return [rule for file in files for group in file["groups"] for rule in group["rules"]]


def series() -> set[str]:
    """The names of all series that a worker serves or a rule records."""
    served = CLIENTS | {name for metric in METRICS for name in _served(metric)}
    return served | {rule["record"] for rule in rules() if "record" in rule}


def _served(metric: str) -> Iterator[str]:
    if METRICS[metric].kind == "histogram":
        for suffix in ("_bucket", "_sum", "_count"):
            yield PREFIX + metric + suffix
    else:
        yield PREFIX + metric


def asked(expression: str) -> set[str]:
    """Names of ours and of the client's that an expression asks for."""
    return set(_NAME.findall(_JOB.sub("", expression)))


def wrong_labels(expression: str) -> list[str]:
    """Matchers of labels that the metric has not, or of values outside the label's set."""
    return [
        f"{name}{{{label}{how}{value!r}}}"
        for name, matchers in _MATCHER.findall(expression)
        for label, how, value in _PAIR.findall(matchers)
        if not _fits(name, label, how, value)
    ]


def _fits(name: str, label: str, how: str, value: str) -> bool:
    if label in {"job", "instance", "le"}:
        return True
    metric = name.removeprefix(PREFIX)
    kind = METRICS[metric].labels.get(label) if metric in METRICS else None
    if kind is None:
        return False
    values = value.split("|") if how in {"=~", "!~"} else [value]
    return set(values) <= set(LABEL_VALUES[kind])
