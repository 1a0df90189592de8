"""The sections that slow sending down: `brake`, `pacing` and `canary`."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, Strict
from typing_extensions import TypeAliasType

from streams.core import policy
from streams.policy.faults import Fault
from streams.policy.kinds import CAMPAIGN_KINDS, Kinds, binds, binds_marketing
from streams.policy.section import Section
from streams.policy.values import Duration, Share, duration, either, rate_per_s, share, whole

if TYPE_CHECKING:
    from collections.abc import Iterator

Pause = TypeAliasType("Pause", Annotated[int, either("off", policy.FOREVER, duration())])
Rate = TypeAliasType("Rate", Annotated[float, rate_per_s()])


class Brake(Section):
    """The sequential test on complaints, and the pauses it leads to."""

    core = policy.Brake

    kinds: Kinds
    normal: Share
    burst: Share
    false_alarm: Share
    pauses_ms: Annotated[list[Pause], Strict(), Field(min_length=1, max_length=16)] = Field(
        alias="pauses"
    )

    def faults(self) -> Iterator[Fault]:
        yield from binds_marketing(self)
        if self.normal >= self.burst:
            yield Fault("burst", "must be above `normal`, or the test cannot tell them apart")
        for index, pause_ms in enumerate(self.pauses_ms[:-1]):
            if pause_ms == policy.FOREVER:
                yield Fault(f"pauses[{index}]", 'nothing can follow "off"')


class Pacing(Section):
    """Messages a second by grade, and how much of them may go at once."""

    core = policy.Pacing

    kinds: Kinds
    new_per_s: Rate = Field(alias="new")
    green_per_s: Rate = Field(alias="green")
    amber_per_s: Rate = Field(alias="amber")
    red_per_s: Rate = Field(alias="red")
    burst_ms: Duration = Field(alias="burst")

    def faults(self) -> Iterator[Fault]:
        yield from binds_marketing(self)
        if not (self.new_per_s or self.green_per_s or self.amber_per_s or self.red_per_s):
            yield Fault("green", "never allows: the rate is 0 in every grade")


class Canary(Section):
    """The shares of an audience in which a campaign starts."""

    core = policy.Canary

    kinds: Kinds
    steps: Annotated[
        list[Annotated[float, share(full=True)]], Strict(), Field(min_length=2, max_length=20)
    ]
    hold_ms: Duration = Field(alias="hold")
    from_size: Annotated[int, whole(0, 1_000_000_000)]

    def faults(self) -> Iterator[Fault]:
        yield from binds(self, CAMPAIGN_KINDS, "only broadcast and moment belong to a campaign")
        for index, (before, after) in enumerate(pairwise(self.steps), start=1):
            if after <= before:
                yield Fault(f"steps[{index}]", "must be above the step before it")
        if self.steps[-1] != 1:
            last = f"steps[{len(self.steps) - 1}]"
            yield Fault(last, "the last step must be 100%, or the rest is never sent")
