"""Admission: which of an account's waiting customers may go on to the customer stage, and when.

The core knows each limit; this file asks them in one place, for one account in one batch. Rules of
this file: what may not go on yet waits in the account's queue, what never may goes on with the
account's refusal, for the customer stage alone says what becomes of an intent.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Final

from streams.core.account import account as books
from streams.core.account import pacing
from streams.core.campaign_state import UNKNOWN_RELEASE, Phase, position_of, releases, steps_to
from streams.core.controls import Action
from streams.core.customer.case import RESIGNED, SUSPENDED, stopped_until_ms
from streams.core.kinds import STAGED, Kind
from streams.core.reasons import Outcome, Reason
from streams.stages.account.room import full, no_room
from streams.stages.context import Admitted, Blocked, denial

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from streams.core.account.fair_queue import Entry
    from streams.core.campaign_state import CampaignRelease
    from streams.core.controls import Control
    from streams.core.customer.request import Request, Verdict
    from streams.runtime.state import State
    from streams.stages.account.aggregates import SharedTotals
    from streams.stages.account.store import StoredAccount
    from streams.stages.context import BatchRules

DRAIN_EVERY_MS: Final = 1_000
"""What flows out of a queue drop by drop goes in portions of a second: one transaction, not ten."""

BINDING: Final = frozenset({Kind.FRIEND_REQUEST, Kind.TRANSFER})
"""Kinds whose leave takes a place for a relation, one at a time."""

QUEUE_MOST: Final = 1_000_000
"""Customers in one account's queue: more than a green account sends in a day of the packaged rate.
Whoever comes then is refused, for nobody could say when it would be their turn."""

UNLIMITED: Final = 1 << 30
"""As many as there are."""


class Admission:
    """One account's queue at one moment."""

    def __init__(
        self,
        account: StoredAccount,
        rules: BatchRules,
        words: SharedTotals,
        state: State,
        now_ms: int,
    ) -> None:
        self.account, self.rules, self.totals = account, rules, words
        self.state, self.now_ms = state, now_ms
        self.wake_ms: int | None = None
        self._closed: set[int] = set()
        """Kinds that the account's own pace holds back: nobody else of them need be asked."""
        rate_per_s = books.broadcast_rate_per_s(account.state, rules.account, now_ms)
        self._interval_us = pacing.interval_us(rate_per_s or 0.0)

    # --- in ---

    def together(self, request: Request, customers: list[str]) -> Iterator[list[str]]:
        """Customers who wait for the same: those of a campaign by the step that releases them.

        They stand in the order of their places, so that whatever share is released later, under
        whatever policy, it is the first of them that go.
        """
        campaign, canary = request.campaign_id, self.rules.kind_rules[request.kind].canary
        if campaign is None or request.kind not in STAGED:
            yield customers
            return
        word = self._word(campaign)

        def step(placed: tuple[float, str]) -> int:
            is_free = canary is None or word.phase is Phase.FULL or placed[0] < word.released
            return 0 if canary is None or is_free else steps_to(canary, word, placed[0])

        in_order = sorted((position_of(campaign, customer), customer) for customer in customers)
        for _, some in groupby(in_order, step):
            yield [customer for _, customer in some]

    def denial(self, request: Request) -> Verdict | None:
        """What the account never will allow, whatever the time."""
        if self.account.state.status == RESIGNED:
            return denial(Outcome.DENIED, Reason.ACCOUNT_RESIGNED)
        if (
            request.campaign_id is not None
            and self._word(request.campaign_id).phase is Phase.KILLED
        ):
            return denial(Outcome.DENIED, Reason.CAMPAIGN_PAUSED, rule="canary")
        return None

    # --- out ---

    def queue_full(self, count: int) -> Verdict | None:
        """Why the queue cannot take so many customers more."""
        if self.account.queue.customers() + count <= QUEUE_MOST:
            return None
        return denial(Outcome.DENIED, Reason.TOO_MANY_HELD, rule="max_queue")

    def drain(self) -> Iterator[Admitted]:
        """All that may go on now, in the order of the queue; `wake_ms` says when to ask again."""
        while (entry := self._next()) is not None:
            yield self._pass(entry, min(self.account.queue.turn(entry), self._quota(entry)))

    def _next(self) -> Entry | None:
        self.wake_ms = None  # what was to be waited for before the last that went on
        self._closed.clear()
        return self.account.queue.next(self._is_open, self._closed)

    def wait(self, entry: Entry) -> Blocked | None:
        """Why the place may not go on now; None if it may."""
        if entry.kind == Kind.TRANSFER:
            return self._answer_due(entry)
        return (
            self._paused(entry)
            or self._canary(entry)
            or self._answer_due(entry)
            or self._no_adds(entry)
            or self._paced(entry)
        )

    def estimate_ms(self, entry: Entry, wait: Blocked, behind: int) -> int | None:
        """About when it will be the turn of a place's customer, so many `behind` its first.

        None where nobody can tell.
        """
        canary = self.rules.kind_rules[entry.kind].canary
        if wait.reason is Reason.CAMPAIGN_CANARY and canary is not None and entry.campaign:
            steps = steps_to(canary, self._word(entry.campaign), entry.share)
            return self.now_ms + steps * canary.hold_ms
        if wait.reason is not Reason.ACCOUNT_PACING or wait.until_ms is None:
            return wait.until_ms
        ahead = self.account.queue.customers(entry.priority) - entry.left + behind
        return wait.until_ms + ahead * self._slowest_us(entry) // 1_000

    def _is_open(self, entry: Entry) -> bool:
        wait = self.wait(entry)
        if wait is not None and wait.until_ms is not None:
            due_ms = wait.until_ms
            if wait.reason is Reason.ACCOUNT_PACING:
                due_ms += max(0, DRAIN_EVERY_MS - self._slowest_us(entry) // 1_000)
            self._wake(due_ms)
        if wait is not None and wait.reason is Reason.ACCOUNT_PACING:
            self._close_by_pace()
        return wait is None

    def _wake(self, due_ms: int) -> None:
        self.wake_ms = due_ms if self.wake_ms is None else min(due_ms, self.wake_ms)

    def _close_by_pace(self) -> None:
        """Where the account's own pace lets nobody go, that is the answer for all paced kinds."""
        paced, interval_us = self.rules.policy.pacing, self._interval_us
        if paced is None:
            return
        if interval_us is not None:
            tat_us = self.account.pace.tat_us
            opens_ms = pacing.opens_ms(tat_us, interval_us, paced.burst_ms, self.now_ms)
            if opens_ms <= self.now_ms:
                return
            self._wake(opens_ms + max(0, DRAIN_EVERY_MS - interval_us // 1_000))
        self._closed |= {rules.kind for rules in self.rules.kind_rules if rules.pacing is not None}

    def _paused(self, entry: Entry) -> Blocked | None:
        if self.account.state.status == SUSPENDED:
            return Blocked(Reason.ACCOUNT_PAUSED, None)
        braked_ms = books.braked_until_ms(self.account.state, self.now_ms)
        until_ms = stopped_until_ms(self.rules.kind_rules[entry.kind], braked_ms, self.now_ms)
        return None if until_ms == 0 else Blocked(Reason.ACCOUNT_PAUSED, until_ms)

    def _canary(self, entry: Entry) -> Blocked | None:
        if entry.campaign is None or self.rules.kind_rules[entry.kind].canary is None:
            return None
        word = self._word(entry.campaign)
        if word.phase in {Phase.PAUSED, Phase.KILLED}:
            return Blocked(Reason.CAMPAIGN_PAUSED, None)
        return None if releases(word, entry.share) else Blocked(Reason.CAMPAIGN_CANARY, None)

    def _released(self, entry: Entry) -> Callable[[str], bool] | None:
        """Whether a customer's share of a campaign is released; None where all are."""
        campaign = entry.campaign
        if campaign is None or self.rules.kind_rules[entry.kind].canary is None:
            return None
        word = self._word(campaign)
        if word.phase is Phase.FULL:
            return None
        return lambda customer: releases(word, position_of(campaign, customer))

    def _answer_due(self, entry: Entry) -> Blocked | None:
        """Whether leave that is on its way has taken what may come back."""
        under_way = self.account.pace.under_way
        if not under_way or entry.kind not in BINDING:
            return None
        if self._full(entry) is not None:
            return Blocked(Reason.ACCOUNT_CEILING, None, soon=True)
        adds = entry.kind == Kind.FRIEND_REQUEST and under_way.get(entry.kind)
        if adds and books.free_adds(self.account.state, self.rules.account, self.now_ms) == 0:
            return Blocked(Reason.DAILY_ADD_QUOTA, None, soon=True)
        return None

    def _no_adds(self, entry: Entry) -> Blocked | None:
        if entry.kind != Kind.FRIEND_REQUEST or self._full(entry) is not None:
            return None
        rules = self.rules.account
        if books.free_adds(self.account.state, rules, self.now_ms) != 0:
            return None
        return Blocked(Reason.DAILY_ADD_QUOTA, books.next_day_ms(rules, self.now_ms))

    def _paced(self, entry: Entry) -> Blocked | None:
        paced = self.rules.kind_rules[entry.kind].pacing
        if paced is None:
            return None
        brake, meters = self._brake(entry), self._meters(entry)
        ends_ms = None if brake is None else brake.until_ms
        if meters is None:
            return Blocked(Reason.ACCOUNT_PACING, ends_ms)
        opens_ms = max([pacing.opens_ms(*meter, paced.burst_ms, self.now_ms) for meter in meters])
        if opens_ms <= self.now_ms:
            return None
        return Blocked(Reason.ACCOUNT_PACING, min(opens_ms, ends_ms or opens_ms))

    def _quota(self, entry: Entry) -> int:
        """How many customers of an open place may go on at once."""
        if entry.kind in BINDING:
            return 1  # each asks anew: adds, room and the enterprise's room
        paced = self.rules.kind_rules[entry.kind].pacing
        if paced is None:
            return UNLIMITED
        meters = self._meters(entry) or ()
        return min([pacing.fits(*meter, paced.burst_ms, self.now_ms) for meter in meters])

    def _pass(self, entry: Entry, count: int) -> Admitted:
        refusal, ticket = self._full(entry), self.account.ticket(entry)
        slice_, customers = self.account.take(entry, count, self._released(entry), self.state)
        if refusal is None:
            self._spend(entry, len(customers))
        return Admitted(slice_, customers, ticket, 0 if refusal else self.now_ms, refusal)

    def _spend(self, entry: Entry, count: int) -> None:
        pace = self.account.pace
        if entry.kind in BINDING:
            pace.under_way[entry.kind] = pace.under_way.get(entry.kind, 0) + count
        if entry.kind == Kind.FRIEND_REQUEST:
            books.take_add(self.account.state, self.rules.account, self.now_ms)
        elif entry.kind == Kind.TRANSFER:
            books.take_relation(self.account.state, self.rules.account, self.now_ms)
        elif self.rules.kind_rules[entry.kind].pacing is not None:
            meters = self._meters(entry) or ()
            tats_us = [pacing.take(*meter, count, self.now_ms) for meter in meters]
            pace.tat_us = tats_us[0]
            if len(tats_us) > 1:
                pace.braked_tat_us = tats_us[1]

    # --- what came of leave ---

    def permit_returned(self, kind: int, leave_ms: int, count: int) -> None:
        """Leave of which no use was made is given back."""
        self.permit_used(kind, count)
        book, rules, pace = self.account.state, self.rules.account, self.account.pace
        if kind == Kind.FRIEND_REQUEST:
            for _ in range(count):
                books.give_back_add(book, rules, leave_ms, self.now_ms)
        elif kind == Kind.TRANSFER:
            for _ in range(count):
                books.close_request(book, rules, leave_ms, self.now_ms, handed=True)
        elif self.rules.kind_rules[kind].pacing is not None:
            pace.tat_us = pacing.give_back(pace.tat_us, self._interval_us or 0, count)

    def permit_used(self, kind: int, count: int) -> None:
        """Leave has come to its end, one way or the other."""
        under_way = self.account.pace.under_way
        left = under_way.pop(kind, 0) - count
        if left > 0:
            under_way[kind] = left

    # --- the limits ---

    def _full(self, entry: Entry) -> Verdict | None:
        """Why the account can take nobody on, by a request or from another account."""
        if entry.kind == Kind.FRIEND_REQUEST:
            return no_room(self.account, self.rules, self.totals, self.now_ms)
        return self._cannot_take_over() if entry.kind == Kind.TRANSFER else None

    def _cannot_take_over(self) -> Verdict | None:
        book, rules = self.account.state, self.rules.account
        if books.paused_until_ms(book, self.now_ms) != 0 or book.status in {RESIGNED, SUSPENDED}:
            return denial(Outcome.DENIED, Reason.TAKER_UNAVAILABLE)
        if books.capacity(book, rules) == 0:
            parts = self.account, self.rules, self.totals, self.now_ms
            return full(Reason.TAKER_AT_CEILING, *parts)
        return None

    def _word(self, campaign: str) -> CampaignRelease:
        return self.totals.campaign(self.account.enterprise, campaign) or UNKNOWN_RELEASE

    def _meters(self, entry: Entry) -> list[tuple[int, int]] | None:
        """What a paced message has to conform to, as (TAT, interval): its account's pace, and where
        an operator's `brake` is on it the amber rate too, which slows its scope and nothing else.

        None where nothing goes.
        """
        pace, paced = self.account.pace, self.rules.policy.pacing
        meters = [(pace.tat_us, self._interval_us)]
        if paced is not None and self._brake(entry) is not None:
            meters.append((pace.braked_tat_us, pacing.interval_us(paced.amber_per_s)))
        found = [(tat_us, interval) for tat_us, interval in meters if interval is not None]
        return found if len(found) == len(meters) else None

    def _slowest_us(self, entry: Entry) -> int:
        return max((interval_us for _, interval_us in self._meters(entry) or ()), default=0)

    def _brake(self, entry: Entry) -> Control | None:
        """The operator's `brake` that is on it."""
        if not self.rules.controls:
            return None
        account = self.account
        control = self.rules.controls.applies(
            account.enterprise, account.name, entry.campaign, Kind(entry.kind), self.now_ms
        )
        return control if control is not None and control.action is Action.BRAKE else None
