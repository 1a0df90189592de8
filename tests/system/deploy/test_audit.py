from __future__ import annotations

from deploy.audit import NOT_AUDITED, audit, judged

GOOD = {"name": "one", "version": "1.0", "vulns": []}
SKIPPED = {"name": "two", "skip_reason": "not found"}
BAD = {"name": "bad", "version": "2.0", "vulns": [{"id": "CVE-1", "fix_versions": ["2.1"]}]}


def test_a_vulnerability_ends_the_build_and_says_what_mends_it() -> None:
    lines, status = judged([GOOD, BAD])
    assert status == 1
    assert lines == ["bad 2.0: CVE-1, mended in 2.1", "2 packages audited, 1 vulnerabilities"]


def test_what_was_not_audited_is_never_called_good() -> None:
    assert judged([SKIPPED]) == ([NOT_AUDITED], 0)
    assert judged([]) == ([NOT_AUDITED], 0)
    assert judged([GOOD, SKIPPED])[0][0] == "not audited: two"


def test_without_the_tool_nothing_is_audited() -> None:
    assert audit("/nowhere/pip-audit", ["one==1.0"]) == []
