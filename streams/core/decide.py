"""The decision: may this account send this to this customer now, and if not, why and from when.

Rules of this file: it reads a ledger and never changes one; the same ledger, ask, law and clock
give the same verdict. A no speaks before a not-yet (`refusals`, then `timing`), and the first rule
that fails names the reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.core.reasons import Outcome, Reason
from streams.core.refusals import REFUSALS
from streams.core.timing import eligible_ms, fails, send_by_ms, too_early
from streams.core.verdict import Verdict
from streams.core.windows import Standing, live_contacts, standing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.core.verdict import Case


def decide(case: Case) -> Verdict:
    """The verdict on one case."""
    for refuse in REFUSALS:
        verdict = refuse(case)
        if verdict is not None:
            return verdict
    ask, law, now_ms = case.ask, case.law, case.now_ms
    contacts = live_contacts(case.ledger, ask.account_id)
    stands = [standing(w, contacts, ask.campaign_id, law.zone, now_ms) for w in law.windows]
    shadows = [standing(w, contacts, ask.campaign_id, law.zone, now_ms) for w in law.shadows]
    early = too_early(case, stands)
    return Verdict(
        Outcome.APPROVED if early is None else Outcome.DENIED if ask.deny else Outcome.DEFERRED,
        Reason.OK if early is None else early[0],
        rule=None if early is None else early[1],
        eligible_at_ms=None if early is None else eligible_ms(case, stands),
        send_by_ms=send_by_ms(case) if early is None else None,
        remaining=_remaining(stands, taken=1 if early is None else 0),
        shadow={s.window.id: fails(s, ask.priority, now_ms) or Reason.OK for s in shadows} or None,
    )


def _remaining(stands: Sequence[Standing], taken: int) -> dict[str, int]:
    """How many are left under each window with a limit. Never negative: a policy may have shrunk."""
    return {
        s.window.id: s.free - taken if s.free > taken else 0
        for s in stands
        if s.window.limit is not None
    }
