"""What flows expect is asserted in modules that are not tests: let pytest explain those as well."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite(
    "tests.flows.scene",
    *(f"tests.flows.{name}" for name in ("accounts", "campaigns", "holding", "noes")),
    *(f"tests.flows.{name}" for name in ("orders", "rules", "strays", "windows")),
)
