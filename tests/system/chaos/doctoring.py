"""Changing evidence, and looking at what an audit then finds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from streams.topics import DECISIONS
from tests.system.chaos.auditor import audit
from tests.system.chaos.inputs import read_event

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.system.chaos.evidence import Evidence, Seen


def find(
    evidence: Evidence, topic: str, wanted: Callable[[dict[str, Any]], Any] = lambda data: True
) -> int:
    """The place of the first record whose `data` is as wanted."""
    for place, record in enumerate(evidence.topics[topic]):
        event = read_event(record.value)
        if event is not None and wanted(event.data):
            return place
    raise AssertionError(f"nothing like it on {topic}")


def change(evidence: Evidence, topic: str, place: int, /, **data: Any) -> None:
    record = evidence.topics[topic][place]
    body = orjson.loads(record.value or b"")
    body["data"] |= data
    evidence.topics[topic][place] = record._replace(value=orjson.dumps(body))


def repeat(evidence: Evidence, topic: str, place: int) -> None:
    """The record once more, at the end of its partition."""
    record = evidence.topics[topic][place]
    end = max(r.offset for r in evidence.topics[topic] if r.partition == record.partition)
    evidence.topics[topic].append(record._replace(offset=end + 1))


def found(evidence: Evidence) -> set[str]:
    """The kinds of what the audit finds."""
    return {kind for kind, sentences in audit(evidence).findings.items() if sentences}


def outcome(*wanted: str) -> Callable[[dict[str, Any]], bool]:
    return lambda data: data["outcome"] in wanted


def told(evidence: Evidence) -> list[tuple[Seen, dict[str, Any]]]:
    """The decisions with their records."""
    return list(zip(evidence.topics[DECISIONS], decisions(evidence), strict=True))


def decisions(evidence: Evidence) -> list[dict[str, Any]]:
    return [orjson.loads(r.value or b"")["data"] for r in evidence.topics[DECISIONS]]
