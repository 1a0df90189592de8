"""The brake: a sequential test that sees a sudden burst of complaints within a few of them.

Theory. Page's CUSUM (1954) over Bernoulli trials: the score is the log-likelihood ratio of `burst`
against `normal`, summed over deliveries and complaints, and not below nought: what an account did
well long ago must not hide what it does now. At ln(1 / false_alarm) it is an alarm (Wald 1947).

Two things in it are ours, because facts come neither singly nor in their own order:
- **Some hours are a bag, not a sequence.** A broadcast is delivered in minutes, complaints of it
  come over hours. Set to nought at every delivery, the score would forget a broadcast before
  the first complaint about it: of 10,000 messages at a normal rate ten complaints are expected,
  and four in a row are an alarm. So within a bag the score may go below nought, and a quarter of
  what is below nought lives on in the next: it covers the complaints still to come, and is gone
  within a day.
- **What comes late buys no room.** Facts of an earlier bag (an outage, a slow producer) count
  with what they net among themselves; they may bring the score down to nought but not below it,
  or a thousand old receipts would hide a burst that goes on now.

Only complaints and blocks raise it. Opt-outs are the way out that was offered; they weigh in the
grade. All deliveries lower it, whatever their kind: the facts do not tell kinds apart.

What happened before an alarm's pause is over has been acted on, and what the rates no longer count
is no burst: `evaluate` keeps both from the test. Rules of this file: the score and the ladder only;
what a pause means is `evaluate`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from streams.core.account.rates import bucket_ms
from streams.core.policy import FOREVER

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streams.core.account.facts import Facts
    from streams.core.account.rules import BrakeRules


BAG_MS: Final = 6 * 3600 * 1000
"""How long a bag is, of UTC: the complaints about a broadcast come over hours."""

_KEPT: Final = 0.25
"""Of what is below nought, per bag. With nothing kept, a good account that sends 5,000 at once
is braked most months, for the complaints that come a bag late; with a half, a burst among 1,000
a day is seen at the tenth complaint instead of the eighth."""


class Score(msgspec.Struct, array_like=True):
    """The test's state: the sum, the bag it was last summed in, and the ladder.

    `alarms`: how many there were since the ladder was last forgotten. `settled_ms`: when the last
    one's pause is over; what happened before has been acted on.
    """

    sum: float = 0.0
    bag_ms: int = 0
    alarms: int = 0
    settled_ms: int = 0


def add_to_score(score: Score, rules: BrakeRules, facts: Iterable[Facts], now_ms: int) -> bool:
    """Count the facts of one batch; whether that is an alarm."""
    bag_ms = bucket_ms(now_ms, BAG_MS)
    if bag_ms > score.bag_ms:
        _begin_bag(score, bag_ms)
    late = _net(rules, [one for one in facts if one.at_ms < bag_ms])
    score.sum = max(score.sum + late, min(score.sum, 0.0))
    score.sum += _net(rules, [one for one in facts if one.at_ms >= bag_ms])
    return score.sum >= rules.threshold


def _net(rules: BrakeRules, facts: Iterable[Facts]) -> float:
    delivered, complaints, blocks = 0, 0, 0
    for one in facts:
        delivered += one.delivered
        complaints += one.complaints
        blocks += one.blocks
    return delivered * rules.delivery + complaints * rules.complaint + blocks * rules.block


def _begin_bag(score: Score, bag_ms: int) -> None:
    if score.sum < 0:
        score.sum *= _KEPT ** ((bag_ms - score.bag_ms) // BAG_MS)
    score.bag_ms = bag_ms


def escalate(score: Score, rules: BrakeRules, now_ms: int) -> int:
    """Take the next step of the ladder: the pause in ms, or FOREVER. The test starts anew.

    The ladder forgets what lies long enough back; a pause, in which nothing goes, is no good time.
    """
    if now_ms >= score.settled_ms + rules.remember_ms:
        score.alarms = 0
    pause_ms = rules.pauses_ms[min(score.alarms, len(rules.pauses_ms) - 1)]
    score.alarms, score.sum = score.alarms + 1, 0.0
    score.settled_ms = now_ms if pause_ms == FOREVER else now_ms + pause_ms
    return pause_ms
