"""`python -m tests.properties.rules`: write the proofs into `docs/rules.md` anew."""

from __future__ import annotations

from tests.properties.rules.proofs import DOCUMENT, proofs, with_proofs

if __name__ == "__main__":
    document = DOCUMENT.read_text(encoding="utf-8")
    DOCUMENT.write_text(with_proofs(document, proofs()), encoding="utf-8")
