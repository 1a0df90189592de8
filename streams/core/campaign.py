"""A campaign's steps: growing shares of its audience, each released after the last did no harm.

**Who is in a step.** Each customer has a fixed position in [0, 1): a hash of campaign and customer.
Step *i* releases the customers below its share. So no partition counts what others released,
repeats and restarts change nobody's position, and each step is an unbiased sample of the audience:
its complaint rate holds for the rest.

**When the next step comes.** A step is watched for `hold` from its first approved message on (not
from its release: a night of quiet hours would pass without any feedback). After that:

=================  ================================================================================
the campaign is    then
=================  ================================================================================
harmless           next step: the upper bound of its complaint rate (green's confidence) is below
                   red's share
unproven           `hold` once more, then the next step. Few deliveries can never prove a small
                   rate: without any complaint it takes 236 to be below 0.3 %, and the first step
                   of 2,000 customers has 20. More waiting would prove nothing, the next step is
                   still a part of the audience, and it is watched as well
harmful            `paused`, at once, at any step and after the last: the lower bound (red's
                   confidence, from red's minimum of deliveries on) is above red's share. If it is
                   still harmful after `hold`: `killed`, for good. If not, it continues where it was
=================  ================================================================================

If nobody in a step is approved for a day, there is nobody to watch: the next step comes.
Counts are of the campaign's whole life. Without `canary` everything is released; without
`reputation` time alone decides.

**What proves nothing.** A campaign may be released as a whole because it is small, or because no
`canary` governs it. When its size, or the number of customers asked for, reaches `from_size`, it
continues by steps: at the largest share that is not above the part that was already approved, and
no lower than its steps had reached. A campaign that went through all steps stays released, however
much it grows. Otherwise the released share never shrinks while the policy's steps stay the same.

Rules of this file: values in, values out. It knows nothing of accounts, queues or partitions. The
bounds are Wilson's (`stats`).
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Final

from streams.core.campaign_state import (
    CampaignFacts,
    CampaignRules,
    CampaignState,
    CampaignStatus,
    Phase,
    hits_of,
    is_harmful,
    is_harmless,
    is_staged,
    release_of,
)
from streams.core.local_calendar import DAY_MS
from streams.core.stats import wilson_high, wilson_low

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.core.policy import Canary

FORGET_AFTER_MS: Final = 90 * DAY_MS
"""A campaign without any event for so long is forgotten, also a killed one: the deadlines of its
intents have passed long ago. If it comes back later, it begins at its first step."""

_SILENT_STEP_MS: Final = DAY_MS
"""A whole day contains every hour, so it was not quiet hours that prevented approvals."""


def apply_facts(
    state: CampaignState, rules: CampaignRules, facts: CampaignFacts, now_ms: int
) -> bool:
    """Add facts to the state and review it; returns whether its release has changed.

    The largest of several sizes counts: too small a size would release everything at once.
    """
    if facts.size is not None:
        state.size = max(facts.size, state.size or 0)
    is_first = facts.approved > 0 and not state.watched_ms
    state.noted_ms = now_ms
    state.asked += facts.asked
    state.approved += facts.approved
    state.delivered += facts.delivered
    state.complaints += facts.complaints
    state.blocks += facts.blocks
    state.opt_outs += facts.opt_outs
    has_moved = review(state, rules, now_ms)
    if is_first:  # after the review, because the review begins the first step
        state.watched_ms = state.watched_ms or now_ms
    return has_moved


def review(state: CampaignState, rules: CampaignRules, now_ms: int) -> bool:
    """Move the campaign by time, counts and rules; returns whether its release has changed."""
    before = release_of(state)
    canary = rules.canary
    if canary is None:
        if state.phase in {Phase.CANARY, Phase.PAUSED}:
            _step_to(state, (1.0,), 0, now_ms)
    else:
        _fit(state, canary, now_ms)
        _MOVES[state.phase](state, rules, canary, now_ms)
    return release_of(state) != before


def _fit(state: CampaignState, canary: Canary, now_ms: int) -> None:
    """Adapt the state to the policy's steps: for a new campaign, one that grew, or new steps."""
    steps, last = canary.steps, len(canary.steps) - 1
    if state.size is not None and state.size < canary.from_size <= state.asked:
        state.size = state.asked
    if not is_staged(canary, state.size):
        if state.phase is Phase.CANARY:
            _step_to(state, steps, last, now_ms)
    elif not state.stepped_ms:
        _step_to(state, steps, 0, now_ms)
        state.reached = state.released
    elif state.released >= 1 and not state.proven and state.phase is not Phase.KILLED:
        _back_to_shares(state, steps, now_ms)
    if state.step > last or steps[state.step] != state.released:
        # Never to a share that was not tried: the largest new one up to it, else the first.
        state.step = max(0, bisect_right(steps, state.released) - 1)
        state.released = steps[state.step]


def _back_to_shares(state: CampaignState, steps: tuple[float, ...], now_ms: int) -> None:
    """Not everything was proven: what was approved, or reached by steps, counts as released."""
    sent = max(state.approved / state.size if state.size else 0.0, state.reached)
    phase, last = state.phase, len(steps) - 1
    _step_to(state, steps, max(0, min(bisect_right(steps, sent), last) - 1), now_ms)
    if phase is Phase.PAUSED:
        state.phase = phase
    state.proven = last == 0


def _step_to(state: CampaignState, steps: tuple[float, ...], step: int, now_ms: int) -> None:
    state.step = step
    state.released = steps[step]
    state.phase = _running(state)
    state.stepped_ms = now_ms
    state.watched_ms = 0


def _running(state: CampaignState) -> Phase:
    return Phase.FULL if state.released >= 1 else Phase.CANARY


def _move_canary(state: CampaignState, rules: CampaignRules, canary: Canary, now_ms: int) -> None:
    if is_harmful(state, rules):
        _pause(state, now_ms)
    elif now_ms >= _step_due_ms(state, rules, canary):
        _step_to(state, canary.steps, state.step + 1, now_ms)
        state.reached = state.released
        state.proven = state.released >= 1


def _move_full(state: CampaignState, rules: CampaignRules, _: Canary, now_ms: int) -> None:
    if is_harmful(state, rules):
        _pause(state, now_ms)


def _move_paused(state: CampaignState, rules: CampaignRules, canary: Canary, now_ms: int) -> None:
    if now_ms < state.paused_ms + canary.hold_ms:
        return
    if is_harmful(state, rules):
        state.phase = Phase.KILLED
        return
    state.phase, state.paused_ms = _running(state), 0
    state.watched_ms = now_ms if state.watched_ms else 0  # a whole `hold` before the next step


def _move_killed(_: CampaignState, __: CampaignRules, ___: Canary, ____: int) -> None:
    """A killed campaign never comes back: people complained of its content."""


_MOVES: Final[dict[Phase, Callable[[CampaignState, CampaignRules, Canary, int], None]]] = {
    Phase.CANARY: _move_canary,
    Phase.FULL: _move_full,
    Phase.PAUSED: _move_paused,
    Phase.KILLED: _move_killed,
}


def _pause(state: CampaignState, now_ms: int) -> None:
    state.phase = Phase.PAUSED
    state.paused_ms = now_ms


def _step_due_ms(state: CampaignState, rules: CampaignRules, canary: Canary) -> int:
    if not state.watched_ms:
        return state.stepped_ms + _SILENT_STEP_MS
    return state.watched_ms + canary.hold_ms * (1 if is_harmless(state, rules) else 2)


def restart_hold(state: CampaignState, now_ms: int) -> None:
    """Begin a hold anew that ended during an outage of the engine.

    Its complaints are still to be read; without this, the first moment after the outage would
    release the next step unwatched.
    """
    if state.phase is Phase.CANARY:
        state.stepped_ms = now_ms
        state.watched_ms = now_ms if state.watched_ms else 0
    elif state.phase is Phase.PAUSED:
        state.paused_ms = now_ms


def next_review_ms(state: CampaignState, rules: CampaignRules, now_ms: int) -> int | None:
    """When time alone may move the campaign next, or have it forgotten: always after `now_ms`.

    None for a campaign without any facts.
    """
    if not state.noted_ms:
        return None
    due_ms = state.noted_ms + FORGET_AFTER_MS
    if rules.canary is not None and state.phase is Phase.CANARY:
        due_ms = min(due_ms, _step_due_ms(state, rules, rules.canary))
    elif rules.canary is not None and state.phase is Phase.PAUSED:
        due_ms = min(due_ms, state.paused_ms + rules.canary.hold_ms)
    return max(due_ms, now_ms + 1)


def is_forgotten(state: CampaignState, now_ms: int) -> bool:
    """Whether the campaign had no facts for `FORGET_AFTER_MS`, so that its state may go."""
    return now_ms >= state.noted_ms + FORGET_AFTER_MS


# --- its status -----------------------------------------------------------------------------------


def status_of(state: CampaignState, rules: CampaignRules, now_ms: int) -> CampaignStatus:
    """The campaign's status at `now_ms`, with the numbers it rests on."""
    trials, hits = state.delivered, hits_of(state, rules)
    bounded = trials and rules.red_share is not None
    return CampaignStatus(
        phase=state.phase,
        released=state.released,
        size=state.size,
        approved=state.approved,
        delivered=trials,
        complaints=hits,
        complaint_rate=min(hits / trials, 1.0) if trials else None,
        complaint_rate_low=wilson_low(hits, trials, rules.red_z) if bounded else None,
        complaint_rate_high=wilson_high(hits, trials, rules.green_z) if bounded else None,
        stepped_at_ms=state.stepped_ms,
        next_step_ms=_next_step_ms(state, rules, now_ms),
    )


def _next_step_ms(state: CampaignState, rules: CampaignRules, now_ms: int) -> int | None:
    if rules.canary is None or state.phase is not Phase.CANARY or not state.watched_ms:
        return None
    return max(now_ms, _step_due_ms(state, rules, rules.canary))
