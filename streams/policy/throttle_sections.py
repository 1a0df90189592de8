"""The sections of a policy file that slow sending down: `brake`, `pacing` and `canary`.

Tables as in `customer_sections`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from streams.core.policy import FOREVER, Brake, Canary, Pacing
from streams.policy.customer_sections import binds, binds_marketing
from streams.policy.faults import Fault, Parse
from streams.policy.reader import Field, listing, record
from streams.policy.values import duration, either, rate_per_s, share, whole
from streams.policy.windows import CAMPAIGN_KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator


def brake(kinds: Parse[int]) -> Parse[Brake]:
    """The sequential test on complaints, and the pauses it leads to."""
    pause = either({"off": FOREVER}, duration())
    return record(
        Brake,
        {
            "kinds": Field("kinds", kinds),
            "normal": Field("normal", share()),
            "burst": Field("burst", share()),
            "false_alarm": Field("false_alarm", share()),
            "pauses": Field("pauses_ms", listing(pause, least=1, most=16)),
        },
        binds_marketing,
        _tells_apart,
        _pauses_in_order,
    )


def _tells_apart(section: Brake) -> Iterator[Fault]:
    if section.normal >= section.burst:
        yield Fault("burst", "must be above `normal`, or the test cannot tell them apart")


def _pauses_in_order(section: Brake) -> Iterator[Fault]:
    last = len(section.pauses_ms) - 1
    for index, pause_ms in enumerate(section.pauses_ms):
        if pause_ms == FOREVER and index != last:
            yield Fault(f"pauses[{index}]", 'nothing can follow "off"')


def pacing(kinds: Parse[int]) -> Parse[Pacing]:
    """Messages a second by grade."""
    return record(
        Pacing,
        {
            "kinds": Field("kinds", kinds),
            "new": Field("new_per_s", rate_per_s()),
            "green": Field("green_per_s", rate_per_s()),
            "amber": Field("amber_per_s", rate_per_s()),
            "red": Field("red_per_s", rate_per_s()),
            "burst": Field("burst_ms", duration()),
        },
        binds_marketing,
        _lets_somebody_go,
    )


def _lets_somebody_go(section: Pacing) -> Iterator[Fault]:
    if not (section.new_per_s or section.green_per_s or section.amber_per_s or section.red_per_s):
        yield Fault("green", "never allows: the rate is 0 in every grade")


def canary(kinds: Parse[int]) -> Parse[Canary]:
    """The stages in which a campaign starts."""
    return record(
        Canary,
        {
            "kinds": Field("kinds", kinds),
            "steps": Field("steps", listing(share(full=True), least=2, most=20)),
            "hold": Field("hold_ms", duration()),
            "from_size": Field("from_size", whole(0, 1_000_000_000)),
        },
        binds(CAMPAIGN_KINDS, "only broadcast and moment belong to a campaign"),
        _steps_grow,
    )


def _steps_grow(section: Canary) -> Iterator[Fault]:
    for index, (before, after) in enumerate(pairwise(section.steps), start=1):
        if after <= before:
            yield Fault(f"steps[{index}]", "must be above the step before it")
    last = len(section.steps) - 1
    if section.steps[last] != 1:
        yield Fault(f"steps[{last}]", "the last step must be 100%, or the rest is never sent")
