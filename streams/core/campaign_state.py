"""What is kept of a campaign, what is told of it, and what a policy says of campaigns.

Rules of this file: values and what can be read off them; what moves a campaign is `campaign`'s.
Stored ones only get new fields at their end, each with a default.
"""

from __future__ import annotations

from bisect import bisect_right
from enum import StrEnum
from functools import lru_cache
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

import msgspec

from streams.core.policy import Weights
from streams.core.stats import share_of, wilson_high, wilson_low

if TYPE_CHECKING:
    from streams.core.policy import Canary, Policy


class Phase(StrEnum):
    """Where a campaign stands; the contract's names."""

    CANARY = "canary"
    FULL = "full"
    PAUSED = "paused"
    KILLED = "killed"


class CampaignFacts(msgspec.Struct, frozen=True, array_like=True):
    """What one batch saw of a campaign, at about `at_ms`.

    `size`: the audience, where an intent named it. An account that meets a campaign tells these
    with the size alone, so that the campaign is known before its first message. `asked`: customers
    of its intents, no repeats; only their own partitions know which are.
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
    """All that is known of one campaign. Times are the engine's; 0 is never.

    `step`: the last released, `released` its share. `stepped_ms`: when it was released,
    `watched_ms`: when the first message since then was approved. `noted_ms`: the last facts.
    `proven`: it went through its steps to the last. `asked`: as in the facts. `reached`:
    the share that its steps came to; what was released for other reasons is no proof.
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
    """What every account partition knows of a campaign: the share of its audience that is released.

    `size`: the largest audience its owner was told of. `proven`: as in the book.
    """

    released: float = 0.0
    phase: Phase = Phase.CANARY
    size: int | None = None
    proven: bool = False


class CampaignStatus(msgspec.Struct, frozen=True):
    """How a campaign stands, as it is told. `complaints` are weighted; no rate without deliveries.

    `next_step_ms`: when the next step may come at the earliest, None where none is under way.
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
"""What is assumed of a campaign of which no word has come yet: nobody's turn has come."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(CampaignState).decode


def load(value: bytes | None) -> CampaignState:
    """The book of a stored value; an empty one for a campaign never met."""
    return CampaignState() if value is None else _decode(value)


def dump(state: CampaignState) -> bytes:
    """The value to store: at most about 110 bytes."""
    return _encode(state)


def release_of(state: CampaignState) -> CampaignRelease:
    """What account partitions are to know of it."""
    return CampaignRelease(state.released, state.phase, state.size, state.proven)


def position_of(campaign: str, customer: str) -> float:
    """A customer's place in [0, 1), the same for ever and everywhere, whatever the steps are."""
    return share_of("canary", f"{campaign}/{customer}")


def releases(release: CampaignRelease, place: float) -> bool:
    """Whether a customer with this place may be sent to."""
    if release.phase is Phase.CANARY:
        return place < release.released
    return release.phase is Phase.FULL


def steps_to(canary: Canary, release: CampaignRelease, place: float) -> int:
    """How many steps on the share comes that this place is in; at least one."""
    now = bisect_right(canary.steps, release.released)
    return max(1, bisect_right(canary.steps, place) - now + 1)


def is_staged(canary: Canary, size: int | None) -> bool:
    """Whether a campaign of this size goes by steps; one of unknown size does."""
    return size is None or size >= canary.from_size


class CampaignRules(msgspec.Struct, frozen=True, kw_only=True):
    """What a policy says of campaigns. No `canary`: all is released; no `red_share`: time alone.

    `red_z` and `green_z`: how many standard deviations the bounds' confidences are.
    """

    canary: Canary | None
    weights: Weights
    red_share: float | None
    red_minimum: int = 0
    red_z: float = 0.0
    green_z: float = 0.0


@lru_cache(maxsize=4096)
def campaign_rules_of(policy: Policy) -> CampaignRules:
    """What the policy says of campaigns."""
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
    """Whether the lower bound is above red's share.

    Where senders report no deliveries, the approved stand for them: that understates the rate.
    """
    trials = state.delivered or state.approved
    if rules.red_share is None or trials < rules.red_minimum:
        return False
    return wilson_low(hits_of(state, rules), trials, rules.red_z) > rules.red_share


def is_harmless(state: CampaignState, rules: CampaignRules) -> bool:
    """Whether the upper bound is below red's share; without `reputation` everything is."""
    if rules.red_share is None:
        return True
    return wilson_high(hits_of(state, rules), state.delivered, rules.green_z) < rules.red_share


def hits_of(state: CampaignState, rules: CampaignRules) -> float:
    """Complaints, blocks and opt-outs in complaints' worth."""
    weigh = rules.weights
    return max(
        0.0,  # what is taken back may outlive what it was charged for
        state.complaints * weigh.complaint
        + state.blocks * weigh.block
        + state.opt_outs * weigh.opt_out,
    )
