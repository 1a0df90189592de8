"""A campaign's values: its stored state, its release, its status, and its rules.

Rules of this file: values and what follows from them directly; `campaign` moves a state. Stored
structs get new fields only at their end, each with a default.
"""

from __future__ import annotations

from bisect import bisect_right
from enum import StrEnum
from functools import lru_cache
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import replace

from streams.core.policy import Weights
from streams.core.stats import share_of, wilson_high, wilson_low

if TYPE_CHECKING:
    from streams.core.policy import Canary, Policy


class Phase(StrEnum):
    """A campaign's phase; the contract's names."""

    CANARY = "canary"
    FULL = "full"
    PAUSED = "paused"
    KILLED = "killed"


class CampaignFacts(msgspec.Struct, frozen=True, array_like=True):
    """What one batch counted for a campaign, at about `at_ms`.

    `size`: the audience, if an intent named it. An account that meets a campaign sends facts with
    the size alone, so that the campaign is known before its first message. `asked`: customers named
    by its intents, without repeats; only the customers' own partitions detect those.
    """

    at_ms: int
    size: int | None = None
    approved: int = 0
    delivered: int = 0
    complaints: int = 0
    blocks: int = 0
    opt_outs: int = 0
    asked: int = 0


class CampaignState(msgspec.Struct, array_like=True):
    """All that is known of one campaign. Times are the engine's; 0 means never.

    `step`: the last step released, and `released` its share. `stepped_ms`: when it was released.
    `watched_ms`: when its first message was approved. `noted_ms`: when the last facts came.
    `proven`: the campaign went through all its steps. `asked`: as in `CampaignFacts`. `reached`:
    the share that its steps came to; a release for another reason proves nothing.
    """

    version: int = 1
    size: int | None = None
    phase: Phase = Phase.CANARY
    step: int = 0
    released: float = 0.0
    stepped_ms: int = 0
    watched_ms: int = 0
    paused_ms: int = 0
    noted_ms: int = 0
    approved: int = 0
    delivered: int = 0
    complaints: int = 0
    blocks: int = 0
    opt_outs: int = 0
    proven: bool = False
    asked: int = 0
    reached: float = 0.0


class CampaignRelease(msgspec.Struct, frozen=True, array_like=True):
    """What every account partition knows of a campaign: `released`, a share of its audience.

    `size`: the largest audience that an intent named. `proven`: as in `CampaignState`.
    """

    released: float = 0.0
    phase: Phase = Phase.CANARY
    size: int | None = None
    proven: bool = False


class CampaignStatus(msgspec.Struct, frozen=True):
    """A campaign's status, as published. `complaints` are weighted; no rate without deliveries.

    `next_step_ms`: the earliest time of the next step; None if no step is being watched.
    """

    phase: Phase
    released: float
    size: int | None
    approved: int
    delivered: int
    complaints: float
    complaint_rate: float | None
    complaint_rate_low: float | None
    complaint_rate_high: float | None
    stepped_at_ms: int
    next_step_ms: int | None


UNKNOWN_RELEASE: Final = CampaignRelease()
"""Assumed of a campaign until its first release arrives: nobody is released."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(CampaignState).decode


def load(value: bytes | None) -> CampaignState:
    """The state of a stored value; a new one for a campaign never met."""
    return CampaignState() if value is None else _decode(value)


def dump(state: CampaignState) -> bytes:
    """The value to store: at most about 110 bytes."""
    return _encode(state)


def release_of(state: CampaignState) -> CampaignRelease:
    """What account partitions need to know of the campaign."""
    return CampaignRelease(state.released, state.phase, state.size, state.proven)


def position_of(campaign: str, customer: str) -> float:
    """A customer's position in [0, 1): always and everywhere the same, whatever the steps are."""
    return share_of("canary", f"{campaign}/{customer}")


def releases(release: CampaignRelease, position: float) -> bool:
    """Whether customers at this position may be sent to."""
    if release.phase is Phase.CANARY:
        return position < release.released
    return release.phase is Phase.FULL


def steps_to(canary: Canary, release: CampaignRelease, position: float) -> int:
    """How many steps from now the share comes that contains this position; at least 1."""
    now = bisect_right(canary.steps, release.released)
    return max(1, bisect_right(canary.steps, position) - now + 1)


def is_staged(canary: Canary, size: int | None) -> bool:
    """Whether a campaign of this size goes by steps; one of unknown size does."""
    return size is None or size >= canary.from_size


def assumed_release(
    canary: Canary, release: CampaignRelease | None, size: int | None
) -> CampaignRelease:
    """The release to assume until the campaign's owner knows this size: the first share, unless
    the campaign went through its steps or is too small for them.
    """
    if release is None and not is_staged(canary, size):
        return CampaignRelease(1.0, Phase.FULL, size)
    if release is None or (
        is_staged(canary, size) and release.phase is Phase.FULL and not release.proven
    ):
        return CampaignRelease(canary.steps[0], Phase.CANARY, size)
    return replace(release, size=size)


class CampaignRules(msgspec.Struct, frozen=True, kw_only=True):
    """A policy's rules for campaigns. No `canary`: all is released. No `red_share`: time decides.

    `red_z` and `green_z`: the normal quantiles of the bounds' confidences.
    """

    canary: Canary | None
    weights: Weights
    red_share: float | None
    red_minimum: int = 0
    red_z: float = 0.0
    green_z: float = 0.0


@lru_cache(maxsize=4096)
def campaign_rules_of(policy: Policy) -> CampaignRules:
    """The policy's rules for campaigns."""
    reputation = policy.reputation
    if reputation is None:
        return CampaignRules(canary=policy.canary, weights=Weights(), red_share=None)
    return CampaignRules(
        canary=policy.canary,
        weights=reputation.weights,
        red_share=reputation.red.share,
        red_minimum=reputation.red.minimum,
        red_z=NormalDist().inv_cdf(reputation.red.confidence),
        green_z=NormalDist().inv_cdf(reputation.green.confidence),
    )


def is_harmful(state: CampaignState, rules: CampaignRules) -> bool:
    """Whether the lower bound of the complaint rate is above red's share.

    If senders report no deliveries, approvals count in their place: that understates the rate.
    """
    trials = state.delivered or state.approved
    if rules.red_share is None or trials < rules.red_minimum:
        return False
    return wilson_low(hits_of(state, rules), trials, rules.red_z) > rules.red_share


def is_harmless(state: CampaignState, rules: CampaignRules) -> bool:
    """Whether the upper bound is below red's share; always without `reputation`."""
    if rules.red_share is None:
        return True
    return wilson_high(hits_of(state, rules), state.delivered, rules.green_z) < rules.red_share


def hits_of(state: CampaignState, rules: CampaignRules) -> float:
    """Complaints, blocks and opt-outs in complaints' worth."""
    weigh = rules.weights
    return max(
        0.0,  # a complaint taken back may outlive the one it replaces
        state.complaints * weigh.complaint
        + state.blocks * weigh.block
        + state.opt_outs * weigh.opt_out,
    )
