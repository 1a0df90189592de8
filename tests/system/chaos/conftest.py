"""Evidence of a rehearsal, and a copy of it for tests that doctor it."""

from __future__ import annotations

import pytest

from tests.system.chaos.evidence import Evidence
from tests.system.chaos.rehearsal import evidence_of, rehearse


@pytest.fixture(scope="session")
def original() -> Evidence:
    return evidence_of(rehearse(seed=7))


@pytest.fixture
def evidence(original: Evidence) -> Evidence:
    """A copy to doctor."""
    return Evidence(original.partitions, {t: list(r) for t, r in original.topics.items()})
