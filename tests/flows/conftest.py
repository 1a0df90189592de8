"""What flows expect is asserted in modules that are not tests: let pytest explain those as well."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite(
    "tests.flows.scene",
    *(f"tests.flows.{name}" for name in ("holding", "noes", "rules", "strays", "windows")),
)
