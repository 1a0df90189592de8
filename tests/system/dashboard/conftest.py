"""Queries are checked with Prometheus's own program."""

from __future__ import annotations

from tests.system.alerts.conftest import promtool

__all__ = ["promtool"]
