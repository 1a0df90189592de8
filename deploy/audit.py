"""Known vulnerabilities in what `constraints.txt` installs, by pip-audit.

`python -m deploy.audit PIP-AUDIT CONSTRAINTS`: exit 1 with a line for each vulnerability. Where the
database cannot be asked it says in one line that nothing was audited, and ends well: a build must
not depend on somebody else's server. Rules of this file: what was not audited is never called good.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

OPTIONS: Final = ("--no-deps", "--disable-pip", "--format=json", "--progress-spinner=off")
PATIENCE_S: Final = 120
NOT_AUDITED: Final = "NOT AUDITED: the database of known vulnerabilities cannot be asked from here"


def audit(tool: str, pins: list[str]) -> list[dict[str, Any]]:
    """What pip-audit says of each `name==version`; empty when it cannot say anything."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(pins))
        file.flush()
        command = [tool, *OPTIONS, "--requirement", file.name]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=PATIENCE_S
            )
            found: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
        except (OSError, ValueError, KeyError, subprocess.TimeoutExpired):
            return []
    return found


def judged(found: list[dict[str, Any]]) -> tuple[list[str], int]:
    """The lines to print, and the exit status."""
    vulnerable = [
        f"{one['name']} {one['version']}: {fault['id']}, mended in"
        f" {', '.join(fault['fix_versions']) or 'no version yet'}"
        for one in found
        for fault in one.get("vulns", ())
    ]
    skipped = [one["name"] for one in found if "skip_reason" in one]
    if len(skipped) == len(found):
        return [NOT_AUDITED], 0
    lines = [f"not audited: {', '.join(skipped)}"] if skipped else []
    lines.append(f"{len(found) - len(skipped)} packages audited, {len(vulnerable)} vulnerabilities")
    return [*vulnerable, *lines], 1 if vulnerable else 0


def main() -> int:
    """One package first: where the database does not know it, the others need not be asked."""
    tool, constraints = sys.argv[1:]
    pins = [line for line in Path(constraints).read_text(encoding="utf-8").splitlines() if line]
    pins = [line for line in pins if not line.startswith("#")]
    reached = any("vulns" in one for one in audit(tool, pins[:1]))
    lines, status = judged(audit(tool, pins) if reached else [])
    print("\n".join(lines))  # noqa: T201
    return status


if __name__ == "__main__":
    sys.exit(main())
