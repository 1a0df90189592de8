"""All flows, in the order in which they are told."""

from __future__ import annotations

from tests.flows import (
    accounts,
    campaigns,
    ceilings,
    controls,
    feedback,
    holding,
    noes,
    orders,
    rules,
    strays,
    windows,
)
from tests.flows.table import FLOWS, Flow

__all__ = [
    "FLOWS",
    "Flow",
    "accounts",
    "campaigns",
    "ceilings",
    "controls",
    "feedback",
    "holding",
    "noes",
    "orders",
    "rules",
    "strays",
    "windows",
]
