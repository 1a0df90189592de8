"""The decision: may this account send this to this customer now, and if not, why and from when.

Rules of this file: it reads a ledger and never changes one; the same ledger, ask, law and clock
give the same verdict. A no speaks before a not-yet (`refusals`, then `timing`), and the first rule
that fails names the reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from streams.core.customer.timing import eligible_ms, fails, quiet, send_by_ms, too_early
from streams.core.customer.upkeep import is_crowded
from streams.core.customer.verdict import Verdict
from streams.core.customer.windows import Contacts, Standing, live_contacts, standings
from streams.core.reasons import Outcome, Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.core.customer.verdict import Case


def decide(case: Case) -> Verdict:
    """The verdict on one case."""
    ask, law, now_ms = case.ask, case.law, case.now_ms
    contacts = live_contacts(case.ledger, ask.account_id)
    stands = standings(law.windows, contacts, ask.campaign_id, law.zone, now_ms)
    shadow = _shadow(case, contacts) if law.shadows else None
    for refuse in law.refusals:
        refused = refuse(case)
        if refused is not None:
            left = _remaining(stands, taken=0)
            return msgspec.structs.replace(refused, remaining=left, shadow=shadow)
    night = quiet(case.ledger, law, now_ms)
    early = too_early(case, stands, night)
    counted = law.retention.binding_ms[law.kind]
    if early is None and counted and is_crowded(contacts.everyone, law.retention, now_ms):
        return _crowded(case, stands, shadow)
    if early is None:
        return Verdict(
            Outcome.APPROVED,
            Reason.OK,
            send_by_ms=send_by_ms(case, night),
            remaining=_remaining(stands, taken=1),
            shadow=shadow,
        )
    return Verdict(
        Outcome.DENIED if ask.deny or not law.defers else Outcome.DEFERRED,
        early[0],
        rule=early[1],
        eligible_at_ms=eligible_ms(case, stands, now_ms),
        remaining=_remaining(stands, taken=0),
        shadow=shadow,
    )


def _crowded(case: Case, stands: Sequence[Standing], shadow: dict[str, str] | None) -> Verdict:
    """Nothing forbids it but that a ledger has an end; nobody can tell when there is room."""
    waits = case.law.defers and not case.ask.deny
    return Verdict(
        Outcome.DEFERRED if waits else Outcome.DENIED,
        Reason.WINDOW_FULL,
        rule="max_contacts",
        remaining=_remaining(stands, taken=0),
        shadow=shadow,
    )


def left(case: Case) -> dict[str, int]:
    """How many contacts are left under each window with a limit, this one not made."""
    ask, law = case.ask, case.law
    contacts = live_contacts(case.ledger, ask.account_id)
    return _remaining(
        standings(law.windows, contacts, ask.campaign_id, law.zone, case.now_ms), taken=0
    )


def _shadow(case: Case, contacts: Contacts) -> dict[str, str] | None:
    """What each shadow rule that binds would have said; None without any."""
    ask, law = case.ask, case.law
    stands = standings(law.shadows, contacts, ask.campaign_id, law.zone, case.now_ms)
    said: dict[str, str] = {
        s.window.id: fails(s, ask.priority, case.now_ms) or Reason.OK for s in stands
    }
    return said or None


def _remaining(stands: Sequence[Standing], taken: int) -> dict[str, int]:
    """How many are left under each window with a limit; none where a newer policy has less."""
    return {
        s.window.id: s.free - taken if s.free > taken else 0
        for s in stands
        if s.window.limit is not None
    }
