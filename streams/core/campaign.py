"""A campaign's stages: growing shares of its audience, each released when the last did no harm.

**Who is in a step.** Each customer has a fixed place in [0, 1), a hash of campaign and customer;
step *i* releases those below its share. No partition need count what others released, a repeat or
a restart changes nobody's place, and each step is an unbiased sample of the audience, so what its
customers say holds for the rest.

**When the next step comes.** A step is watched for `hold` from its first approved message on (not
from its release: quiet hours would let a whole night pass for feedback). After it:

=================  ================================================================================
the campaign is    then
=================  ================================================================================
harmless           next step: its upper bound (green's confidence) is below red's share
unproven           the hold once more, then the next step. Few deliveries can never prove a small
                   rate: with no complaint at all it takes 236 to be below 0.3 %, and the first step
                   of 2,000 is 20. Waiting longer would prove nothing, the next step is still a
                   part, and it is watched as well
harmful            `paused`, at once and at any time, fully released or not: its lower bound (red's
                   confidence, from red's minimum on) is above red's share. No step is released.
                   Still so after `hold`: `killed`, for good. Else it goes on where it was
=================  ================================================================================

A step of which nobody was approved for a day has nobody to be watched: the next one comes then.
Counts are of the campaign's whole life. Without `canary` everything is released; without
`reputation` time alone decides.

**What is no proof.** That everything was released because the campaign was small, or because no
canary governed it, proves nothing. When its size, or the number of customers who were asked for,
reaches `from_size`, it goes on by shares: at the largest that is not above the part that was sent
to already. Who went through all steps stays released, however much it grows. Otherwise the released
share never shrinks while the policy's steps stay as they are.

Rules of this file: values in, values out. It knows nothing of accounts, queues or partitions.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Final

from streams.core.account.rates import wilson_high, wilson_low
from streams.core.campaign_state import (
    UNKNOWN_RELEASE,
    CampaignState,
    CampaignFacts,
    CampaignRules,
    CampaignStatus,
    CampaignRelease,
    Phase,
    campaign_rules_of,
    dump,
    hits_of,
    is_harmful,
    is_harmless,
    is_staged,
    load,
    position_of,
    releases,
    steps_to,
    release_of,
)
from streams.core.local_calendar import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.core.policy import Canary

__all__ = [
    "UNKNOWN_RELEASE",
    "FORGET_AFTER_MS",
    "CampaignState",
    "CampaignFacts",
    "CampaignRules",
    "CampaignStatus",
    "CampaignRelease",
    "Phase",
    "campaign_rules_of",
    "dump",
    "is_forgotten",
    "is_staged",
    "load",
    "missed",
    "next_review_ms",
    "apply_facts",
    "position_of",
    "releases",
    "review",
    "status_of",
    "steps_to",
    "release_of",
]

FORGET_AFTER_MS: Final = 90 * DAY_MS
"""A campaign of which nothing was heard so long is forgotten, a killed one too: its intents have
met their deadlines long ago. One that comes back after that begins at its first step again."""

_SILENT_STEP_MS: Final = DAY_MS
"""A whole day has every hour of the day in it: it was not quiet hours that kept a step's customers
from being approved."""


def apply_facts(book: CampaignState, law: CampaignRules, facts: CampaignFacts, now_ms: int) -> bool:
    """Write facts into the book and review it; True when its word has changed.

    Of several sizes the largest counts: too small a one would release everything at once.
    """
    if facts.size is not None:
        book.size = max(facts.size, book.size or 0)
    is_first = facts.approved > 0 and not book.watched_ms
    book.noted_ms = now_ms
    book.asked += facts.asked
    book.approved += facts.approved
    book.delivered += facts.delivered
    book.complaints += facts.complaints
    book.blocks += facts.blocks
    book.opt_outs += facts.opt_outs
    has_moved = review(book, law, now_ms)
    if is_first:  # after the review, for that begins the first step
        book.watched_ms = book.watched_ms or now_ms
    return has_moved


def review(book: CampaignState, law: CampaignRules, now_ms: int) -> bool:
    """Let time, counts and law move the campaign; True when its word has changed."""
    before = release_of(book)
    canary = law.canary
    if canary is None:
        if book.phase in {Phase.CANARY, Phase.PAUSED}:
            _step_to(book, (1.0,), 0, now_ms)
    else:
        _fit(book, canary, now_ms)
        _MOVES[book.phase](book, law, canary, now_ms)
    return release_of(book) != before


def _fit(book: CampaignState, canary: Canary, now_ms: int) -> None:
    """Bring the book to this policy's steps: a new campaign, one that grew, new steps."""
    steps, last = canary.steps, len(canary.steps) - 1
    if book.size is not None and book.size < canary.from_size <= book.asked:
        book.size = book.asked
    if not is_staged(canary, book.size):
        if book.phase is Phase.CANARY:
            _step_to(book, steps, last, now_ms)
    elif not book.stepped_ms:
        _step_to(book, steps, 0, now_ms)
    elif book.released >= 1 and not book.proven and book.phase is not Phase.KILLED:
        _back_to_shares(book, steps, now_ms)
    if book.step > last or steps[book.step] != book.released:
        # Not on to a share that was not tried: the largest of the new up to it, or the first.
        book.step = max(0, bisect_right(steps, book.released) - 1)
        book.released = steps[book.step]


def _back_to_shares(book: CampaignState, steps: tuple[float, ...], now_ms: int) -> None:
    """Nothing was proven: what was sent already is what counts as released."""
    sent = book.approved / book.size if book.size else 0.0
    phase, last = book.phase, len(steps) - 1
    _step_to(book, steps, max(0, min(bisect_right(steps, sent), last) - 1), now_ms)
    if phase is Phase.PAUSED:
        book.phase = phase
    book.proven = last == 0


def _step_to(book: CampaignState, steps: tuple[float, ...], step: int, now_ms: int) -> None:
    book.step = step
    book.released = steps[step]
    book.phase = _running(book)
    book.stepped_ms = now_ms
    book.watched_ms = 0


def _running(book: CampaignState) -> Phase:
    return Phase.FULL if book.released >= 1 else Phase.CANARY


def _move_canary(book: CampaignState, law: CampaignRules, canary: Canary, now_ms: int) -> None:
    if is_harmful(book, law):
        _pause(book, now_ms)
    elif now_ms >= _step_due_ms(book, law, canary):
        _step_to(book, canary.steps, book.step + 1, now_ms)
        book.proven = book.released >= 1


def _move_full(book: CampaignState, law: CampaignRules, _: Canary, now_ms: int) -> None:
    if is_harmful(book, law):
        _pause(book, now_ms)


def _move_paused(book: CampaignState, law: CampaignRules, canary: Canary, now_ms: int) -> None:
    if now_ms < book.paused_ms + canary.hold_ms:
        return
    if is_harmful(book, law):
        book.phase = Phase.KILLED
        return
    book.phase, book.paused_ms = _running(book), 0
    book.watched_ms = now_ms if book.watched_ms else 0  # a whole hold before the next step


def _move_killed(_: CampaignState, __: CampaignRules, ___: Canary, ____: int) -> None:
    """Nothing brings a killed campaign back: its content is what people complained of."""


_MOVES: Final[dict[Phase, Callable[[CampaignState, CampaignRules, Canary, int], None]]] = {
    Phase.CANARY: _move_canary,
    Phase.FULL: _move_full,
    Phase.PAUSED: _move_paused,
    Phase.KILLED: _move_killed,
}


def _pause(book: CampaignState, now_ms: int) -> None:
    book.phase = Phase.PAUSED
    book.paused_ms = now_ms


def _step_due_ms(book: CampaignState, law: CampaignRules, canary: Canary) -> int:
    if not book.watched_ms:
        return book.stepped_ms + _SILENT_STEP_MS
    return book.watched_ms + canary.hold_ms * (1 if is_harmless(book, law) else 2)


def missed(book: CampaignState, now_ms: int) -> None:
    """Nobody watched: a hold that ended in an outage begins anew, before its complaints are read.

    Else the first moment after the outage would release the next step unseen.
    """
    if book.phase is Phase.CANARY:
        book.stepped_ms = now_ms
        book.watched_ms = now_ms if book.watched_ms else 0
    elif book.phase is Phase.PAUSED:
        book.paused_ms = now_ms


def next_review_ms(book: CampaignState, law: CampaignRules, now_ms: int) -> int | None:
    """When time alone may move the campaign next, or end what is known of it; never past.

    None for a campaign of which nothing was ever heard.
    """
    if not book.noted_ms:
        return None
    due_ms = book.noted_ms + FORGET_AFTER_MS
    if law.canary is not None and book.phase is Phase.CANARY:
        due_ms = min(due_ms, _step_due_ms(book, law, law.canary))
    elif law.canary is not None and book.phase is Phase.PAUSED:
        due_ms = min(due_ms, book.paused_ms + law.canary.hold_ms)
    return max(due_ms, now_ms + 1)


def is_forgotten(book: CampaignState, now_ms: int) -> bool:
    """Whether nothing was heard of the campaign for so long that its book may go."""
    return now_ms >= book.noted_ms + FORGET_AFTER_MS


# --- what is told ---------------------------------------------------------------------------------


def status_of(book: CampaignState, law: CampaignRules, now_ms: int) -> CampaignStatus:
    """How the campaign stands at `now_ms`, with the numbers it rests on."""
    trials, hits = book.delivered, hits_of(book, law)
    bounded = trials and law.red_share is not None
    return CampaignStatus(
        phase=book.phase,
        released=book.released,
        size=book.size,
        approved=book.approved,
        delivered=trials,
        complaints=hits,
        complaint_rate=min(hits / trials, 1.0) if trials else None,
        complaint_rate_low=wilson_low(hits, trials, law.red_z) if bounded else None,
        complaint_rate_high=wilson_high(hits, trials, law.green_z) if bounded else None,
        stepped_at_ms=book.stepped_ms,
        next_step_ms=_next_step_ms(book, law, now_ms),
    )


def _next_step_ms(book: CampaignState, law: CampaignRules, now_ms: int) -> int | None:
    if law.canary is None or book.phase is not Phase.CANARY or not book.watched_ms:
        return None
    return max(now_ms, _step_due_ms(book, law, law.canary))
