"""What a stage gives to each of its batches.

Rules of this file: values only. A stage and its batch both import it, so that neither imports the
other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from streams.stages.routing import Router
    from streams.stages.rules import Rules
    from streams.topics import Topics


class StageContext(NamedTuple):
    """What all batches of a stage have in common."""

    topics: Topics
    router: Router
    rules: Rules
