"""All flows, in the order in which they are told."""

from __future__ import annotations

from tests.flows import holding, noes, orders, rules, strays, windows
from tests.flows.table import FLOWS, Flow

__all__ = ["FLOWS", "Flow", "holding", "noes", "orders", "rules", "strays", "windows"]
