"""Random customers under random policies: the core must answer as the naive model does, each time.

Half of the runs have honest senders, who send once in [decided, send_by] or not at all and report
truthfully if ever: there, no cap may be exceeded on the real times of sending. The other half has
receipts that contradict each other, come from the future, and come twice.
"""

from __future__ import annotations

import os
from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from streams.core.customer.compile import compile_rules
from streams.core.customer.request import Candidate, Verdict
from streams.core.kinds import ALL_KINDS, Kind, mask_of
from streams.core.policy import (
    DAYS_IN_MONTH,
    FOREVER,
    Calendar,
    Policy,
    QuietHours,
    Reply,
    Scope,
    Silence,
    Suppression,
    Window,
)
from streams.core.reasons import Outcome, Reason
from streams.policy.files import packaged
from tests.unit.core.model import Answer, Model, Want, local, period_of
from tests.unit.core.person import DAY, DISTURBING, HOUR, MARKETING, MINUTE, Person, ms, policy

if TYPE_CHECKING:
    from streams.core.customer.request import Decided, Request

COUNTED = [kind for kind in Kind if kind is not Kind.REPLY]
STARTS = [
    ms("2026-11-18 12:00"),
    ms("2026-03-07 22:00"),  # a night before New York's clocks go forward
    ms("2026-10-24 20:00"),  # … and Berlin's go back
    ms("2027-01-31 15:30"),
    ms("2028-02-28 09:00"),
    ms("2027-04-03 10:00"),  # Lord Howe goes back by half an hour
]
ZONES = ["UTC", "Asia/Shanghai", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe"]
NIGHTS = [
    ((21 * 60 + 30) * MINUTE, (8 * 60 + 30) * MINUTE),
    (12 * HOUR, 13 * HOUR + 30 * MINUTE + 15_000),
    (20 * HOUR, 19 * HOUR),
]
STEPS = [0, 1, MINUTE, HOUR - 1, HOUR, HOUR, 4 * HOUR, 4 * HOUR, 11 * HOUR, DAY - 1, DAY, 3 * DAY]
SELDOM = [8 * DAY, 40 * DAY]
LATENESS = [0, 0, 1, 10 * MINUTE, HOUR - 1]

RARELY = st.sampled_from([False, False, False, True])
accounts = st.sampled_from(["a", "b"])
pick = st.integers(0, 10**6)


@st.composite
def windows(draw: st.DrawFn, name: str) -> Window:
    kinds = mask_of(draw(st.sets(st.sampled_from(COUNTED), min_size=1, max_size=4)))
    kinds |= draw(st.sampled_from([0, 0, MARKETING]))
    shape = draw(st.sampled_from(["rolling", "rolling", "calendar", "gap"]))
    parts: dict[str, Any] = {"min_gap_ms": draw(st.sampled_from([0, 0, 4 * HOUR, 30 * HOUR]))}
    if shape == "gap":
        parts = {"min_gap_ms": 4 * HOUR}
    elif shape == "rolling":
        lengths = st.sampled_from([4 * HOUR, DAY, DAY, 7 * DAY, 90 * DAY])
        parts |= {"limit": draw(st.integers(1, 3)), "rolling_ms": draw(lengths)}
    else:
        parts["calendar"] = draw(st.sampled_from(Calendar))
        month = parts["calendar"] is Calendar.MONTH
        limits = [1, 2, 3, DAYS_IN_MONTH] if month else [1, 2, 3]
        parts["limit"] = draw(st.sampled_from(limits))
    if "limit" in parts and draw(st.integers(0, 3)) == 3:
        parts |= {"reserve_slots": 1, "reserve_priority": 80}
    return Window(
        id=name,
        kinds=kinds,
        scope=draw(st.sampled_from(Scope)),
        shadow=draw(st.integers(0, 5)) == 5,
        **parts,
    )


def other(account: str) -> str:
    return "b" if account == "a" else "a"


def often(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return values | values | st.none()


def seldom(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from([None] * 3 * len(values) + [*values])


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    count = draw(st.sampled_from([3, 2, 1, 4, 0]))
    night = draw(seldom(*NIGHTS))
    lengths = st.sampled_from([10 * MINUTE, HOUR, DAY])
    return policy(
        *(draw(windows(f"w{n}")) for n in range(count)),
        time_zone=draw(st.sampled_from(ZONES)),
        unknown_zone_denies=draw(st.integers(0, 19)) == 19,
        remember_ms=draw(st.sampled_from([HOUR, 2 * DAY])),
        validity_ms=tuple(draw(lengths) for _ in Kind),
        deadline_ms=(draw(st.sampled_from([DAY, 7 * DAY, 30 * DAY])),) * len(Kind),
        max_held=draw(st.sampled_from([20, 20, 2])),
        quiet_hours=night and QuietHours(kinds=DISTURBING, from_ms=night[0], to_ms=night[1]),
        silence=draw(often(silences())),
        reply=draw(often(st.just(Reply(credits=2, within_ms=2 * DAY)))),
        suppression=draw(often(suppressions())),
        ask_first=draw(seldom(0, 1 << Kind.MOMENT)),
    )


def silences() -> st.SearchStrategy[Silence]:
    return st.builds(
        Silence,
        kinds=st.sampled_from([MARKETING, mask_of([Kind.MOMENT]), ALL_KINDS]),
        ignored=st.integers(1, 3),
        first_ms=st.sampled_from([HOUR, 5 * DAY]),
        factor=st.sampled_from([1.0, 1.5, 2.0]),
        longest_ms=st.sampled_from([7 * DAY, 180 * DAY]),
    )


def suppressions() -> st.SearchStrategy[Suppression]:
    return st.builds(
        Suppression,
        kinds=st.just(DISTURBING),
        account_ms=st.sampled_from([FOREVER, 2 * DAY]),
        enterprise_ms=st.sampled_from([0, 5 * DAY, FOREVER]),
    )


def _of_the_customer(name: str) -> Policy:
    """A packaged policy without what needs an account's leave: that is the account stage's."""
    return replace(packaged(name)[1], pacing=None, canary=None, ceilings=None)


PACKAGED = st.sampled_from(["wecom", "wecom-week", "wecom-month"]).map(_of_the_customer)


class Customer(RuleBasedStateMachine):
    """The core and the model side by side."""

    @initialize(law=policies() | PACKAGED, start=st.sampled_from(STARTS), honest=st.booleans())
    def opens(self, law: Policy, start: int, *, honest: bool) -> None:
        self.person = Person(law, start)
        self.model = Model(law, start, keeps_ms=compile_rules(law)[0].retention.keep_ms)
        self.honest = honest
        self.wants: dict[str, Want] = {}
        self.queued: dict[int, Want] = {}
        self.tickets = 0
        self.sent: dict[str, int | None] = {}

    # --- intents --------------------------------------------------------------------------------

    @rule(
        kind=st.sampled_from([*Kind, Kind.DIRECT, Kind.BROADCAST, Kind.MOMENT]),
        account=accounts,
        priority=st.sampled_from([10, 50, 79, 80]),
        deny=st.sampled_from([False, False, False, True]),
        campaign=st.sampled_from([None, "x", "y"]),
        not_before=seldom(-1, 1, 5 * HOUR, 3 * DAY),
        deadline=seldom(-1, 0, HOUR, 2 * DAY, 20 * DAY),
    )
    def arrives(self, kind: Kind, account: str, *, deny: bool, **parts: Any) -> None:
        now_ms = self.model.now_ms
        campaign, not_before, deadline = parts["campaign"], parts["not_before"], parts["deadline"]
        want = Want(
            name=f"w{len(self.wants)}",
            account=account,
            kind=kind,
            priority=parts["priority"],
            deny=deny,
            accepted_ms=now_ms,
            campaign=campaign if kind in (Kind.BROADCAST, Kind.MOMENT) else None,
            not_before_ms=None if not_before is None else now_ms + not_before,
            deadline_ms=None if deadline is None else now_ms + deadline,
            taker=other(account) if kind is Kind.TRANSFER else None,
        )
        self._arrives(want)

    @rule(kind=st.sampled_from([Kind.DIRECT, Kind.BROADCAST, Kind.MOMENT]), account=accounts)
    def usual_arrives(self, kind: Kind, account: str) -> None:
        name = f"w{len(self.wants)}"
        self._arrives(Want(name, account, kind, accepted_ms=self.model.now_ms))

    @rule(
        kind=st.sampled_from([Kind.BROADCAST, Kind.MOMENT]),
        account=accounts,
        priority=st.sampled_from([10, 50, 80]),
        ahead=st.sampled_from([1, MINUTE, 5 * HOUR]),
        deadline=seldom(0, HOUR, 2 * DAY),
    )
    def waits_in_a_queue(self, kind: Kind, account: str, **parts: Any) -> None:
        now_ms, deadline = self.model.now_ms, parts["deadline"]
        want = Want(
            f"w{len(self.wants)}",
            account,
            kind,
            parts["priority"],
            accepted_ms=now_ms,
            deadline_ms=None if deadline is None else now_ms + deadline,
        )
        self._queues(want, now_ms + parts["ahead"])

    @precondition(lambda self: self.queued)
    @rule(which=pick, ahead=st.sampled_from([1, HOUR]))
    def comes_again_in_a_queue(self, which: int, ahead: int) -> None:
        want = [*self.wants.values()][which % len(self.wants)]
        if self.model.now_ms < self.model.arrived[want.name] + self.model.policy.remember_ms:
            self._queues(want, self.model.now_ms + ahead)

    @precondition(lambda self: self.queued)
    @rule(which=pick, stale=RARELY)
    def is_passed_on(self, which: int, *, stale: bool) -> None:
        """By its account, once it has waited long enough; sometimes one that is long over."""
        ticket = sorted(self.queued)[which % len(self.queued)]
        want = self.queued[ticket] if stale else self.queued.pop(ticket)
        candidate = Candidate(self._ask(want), self.model.now_ms, ticket=ticket)
        held = any(w.want == want and w.queued for w in self.model.waiting)
        known = {held.ticket for held in self.person.ledger.held}
        if held and ticket not in known:
            self._same(self.person.judged(candidate), self.model.look_again(only_due=True))
        else:
            self._same(self.person.judged(candidate), self.model.passed_on(want))

    def _queues(self, want: Want, eligible_ms: int) -> None:
        self.wants.setdefault(want.name, want)
        self.tickets += 1
        ticket = self.tickets
        self.queued[ticket] = want
        wait = Verdict(Outcome.DEFERRED, Reason.ACCOUNT_PACING, eligible_at_ms=eligible_ms)
        candidate = Candidate(self._ask(want), ticket=ticket, wait=wait)
        self._same(self.person.judged(candidate), self.model.queues(want, eligible_ms))

    @rule(account=accounts, late=st.sampled_from(LATENESS))
    def is_answered(self, account: str, late: int) -> None:
        self.writes(account, late)
        self._arrives(
            Want(f"w{len(self.wants)}", account, Kind.REPLY, accepted_ms=self.model.now_ms)
        )

    @rule(
        kind=st.sampled_from([Kind.DIRECT, Kind.MOMENT, Kind.TRANSFER]), step=st.sampled_from(STEPS)
    )
    def arrives_before_the_timers(self, kind: Kind, step: int) -> None:
        """The partition has more timers due than fit into a batch."""
        self.model.now_ms += step
        self.person.at(self.model.now_ms)
        taker = "b" if kind is Kind.TRANSFER else None
        name = f"w{len(self.wants)}"
        self._arrives(Want(name, "a", kind, 10, accepted_ms=self.model.now_ms, taker=taker))

    @precondition(lambda self: self.wants)
    @rule(which=pick)
    def comes_again(self, which: int) -> None:
        want = [*self.wants.values()][which % len(self.wants)]
        # A repeat that is no longer remembered is a new intent: the model has one name for it.
        known_ms = self.model.arrived[want.name]
        if self.model.now_ms < known_ms + self.model.policy.remember_ms or any(
            held.want == want for held in self.model.waiting
        ):
            self._arrives(want)

    def _arrives(self, want: Want) -> None:
        self.wants[want.name] = want
        self._same(self.person.arrives(self._ask(want)), self.model.arrives(want))

    def _ask(self, want: Want) -> Request:
        return self.person.new_ask(
            want.kind,
            want.account,
            intent_id=want.name,
            priority=want.priority,
            deny=want.deny,
            accepted_ms=want.accepted_ms,
            campaign_id=want.campaign,
            not_before_ms=want.not_before_ms,
            deadline_ms=want.deadline_ms,
            to_account_id=want.taker,
        )

    # --- receipts -------------------------------------------------------------------------------

    @precondition(lambda self: self._settleable())
    @rule(
        which=pick,
        lost=st.booleans(),
        taken=RARELY,
        late=st.sampled_from([-HOUR, *LATENESS, 20 * HOUR]),
    )
    def is_settled(self, which: int, late: int, *, lost: bool, taken: bool) -> None:
        names = self._settleable()
        name = names[which % len(names)]
        if self.honest:
            self._reports(name)
        elif lost:
            self._failed(name, "already_received" if taken else "not_sent", taken=taken)
        else:
            self._delivered(name, self.model.now_ms - late)

    def _settleable(self) -> list[str]:
        """Approvals young enough that their receipts must still be understood."""
        young_ms = self.model.now_ms - self.model.policy.remember_ms
        return [a.want.name for a in self.model.approvals if a.decided_ms > young_ms]

    def _reports(self, name: str) -> None:
        sent_ms = self.sent[name]
        if sent_ms is None:
            self._failed(name, "other", taken=False)
        elif sent_ms <= self.model.now_ms:
            self._delivered(name, sent_ms)

    def _failed(self, name: str, reason: str, *, taken: bool) -> None:
        is_repeat = name in self.wants and self.model.is_failed(name) and not taken
        self.model.failed(name, taken=taken)
        self._reported(self.person.failed(name, reason=reason), is_repeat=is_repeat)

    def _delivered(self, name: str, occurred_ms: int) -> None:
        is_repeat = name in self.wants and self.model.is_delivered(name)
        self.model.delivered(name, occurred_ms)
        self._reported(self.person.delivered(name, occurred_ms), is_repeat=is_repeat)

    def _reported(self, settled: list[Decided], *, is_repeat: bool) -> None:
        """A repeat costs nothing, so nobody who waits is looked at again."""
        if is_repeat:
            assert not settled
        else:
            self._noted(settled)

    # --- what the customer does -----------------------------------------------------------------

    def writes(self, account: str, late: int) -> None:
        at_ms = self.model.now_ms - late
        self.model.wrote(account, at_ms)
        self._noted(self.person.wrote(at_ms, account))

    @rule(account=accounts, late=st.sampled_from([-HOUR, *LATENESS]))
    def shows_interest(self, account: str, late: int) -> None:
        at_ms = self.model.now_ms - late
        self.model.engaged(account, at_ms)
        self._noted(self.person.engaged(at_ms, account))

    @rule(
        account=accounts,
        late=st.sampled_from(LATENESS),
        really=RARELY,
        names=st.booleans(),
        which=pick,
    )
    def complains(self, account: str, late: int, which: int, *, really: bool, names: bool) -> None:
        if not really:
            return
        at_ms = self.model.now_ms - late
        known = [name for name in self._settleable() if name in self.wants]
        intent = known[which % len(known)] if names and known else None
        if intent is None and self.model.is_unclear(account, at_ms):
            return
        self.model.hurt("complaints", account, at_ms, intent)
        self._noted(self.person.complained(at_ms, account, intent))

    @invariant()
    def each_complaint_is_charged_once_and_to_its_message(self) -> None:
        assert +self.person.cost == self.model.cost()

    @rule(kind=st.sampled_from(Kind), late=st.sampled_from(LATENESS), allowed=st.booleans())
    def consents(self, kind: Kind, late: int, *, allowed: bool) -> None:
        at_ms = self.model.now_ms - late
        if not allowed and self.model.is_unclear("a", at_ms):
            return
        if self.model.said(kind, at_ms, allowed=allowed):
            self.model.hurt("opt_outs", "a", at_ms)
        self._noted(self.person.consents(at_ms, kinds=[kind.name.lower()], allowed=allowed))

    @rule(
        night=st.sampled_from([*NIGHTS, (0, 0)]),
        zone=st.sampled_from(ZONES),
        late=st.sampled_from(LATENESS),
    )
    def tells_hours(self, night: tuple[int, int], zone: str, late: int) -> None:
        at_ms = self.model.now_ms - late
        self.model.told(at_ms, night, zone)
        hours: Any = "off" if night[0] == night[1] else tuple(map(_clock, night))
        wish: dict[str, Any] = {"kinds": [], "quiet_hours": hours, "time_zone": zone}
        self._noted(self.person.consents(at_ms, **wish))

    @precondition(lambda self: not self.honest)
    @rule(giver=accounts, really=RARELY)
    def is_handed_over(self, giver: str, *, really: bool) -> None:
        if not really:
            return
        self.model.transferred(giver, other(giver), self.model.now_ms)
        assert self.person.transferred(giver, other(giver)) == []

    @precondition(lambda self: not self.honest)
    @rule(giver=accounts, really=st.booleans(), by_taker=st.booleans())
    def stays(self, giver: str, *, really: bool, by_taker: bool) -> None:
        """A transfer failed; some tellers know the taker alone."""
        if not really:
            return
        named = other(giver) if by_taker else giver
        self.model.transfer_failed(named, other(giver))
        self._noted(self.person.transfer_failed(named, other(giver)))

    def _noted(self, settled: list[Decided]) -> None:
        self._same(settled, self.model.look_again(only_due=False))

    # --- time -----------------------------------------------------------------------------------

    @rule(step=st.sampled_from(STEPS))
    def passes(self, step: int) -> None:
        self._until(self.model.now_ms + step)

    @precondition(lambda self: self.model.waiting)
    @rule(which=pick, around=st.sampled_from([-1, 0]))
    def comes_due(self, which: int, around: int) -> None:
        held = self.model.waiting[which % len(self.model.waiting)]
        self._until(max(self.model.now_ms, held.due_ms + around))

    @rule(step=st.sampled_from([*STEPS, *SELDOM]))
    def passes_without_timers(self, step: int) -> None:
        """The process was down: what came due meanwhile is looked at late, all at once."""
        self._wakes(self.model.now_ms + step)

    def _until(self, until_ms: int) -> None:
        while (due_ms := self.person.next_ms()) is not None and due_ms <= until_ms:
            self._wakes(due_ms)
        self._wakes(until_ms)

    def _wakes(self, now_ms: int) -> None:
        self.person.at(now_ms)
        self.model.now_ms = now_ms
        self._same(self.person.wake(), self.model.look_again(only_due=True))

    # --- what must hold -------------------------------------------------------------------------

    def _same(self, settled: list[Decided], said: list[tuple[str, Answer]]) -> None:
        assert [_answer_of(s) for s in settled] == said
        for approval in self.model.approvals:
            self.sent.setdefault(approval.want.name, self._sending_time(approval))

    def _sending_time(self, approval: Any) -> int | None:
        """When an honest sender sends this one: at once, at the last moment, between, or never."""
        span = approval.send_by_ms - approval.decided_ms
        fate = len(self.sent) % 4
        return None if fate == 3 else approval.decided_ms + (0, span, span // 3)[fate]

    @invariant()
    def nothing_waits_that_may_go(self) -> None:
        now_ms = self.model.now_ms
        assert len(self.person.ledger.held) == len(self.model.waiting)
        for held in self.model.waiting:
            if held.queued:
                continue
            assert now_ms <= held.deadline_ms
            assert now_ms < held.due_ms
            assert held.stirred or self.model.too_early(held.want, now_ms) is not None

    @invariant()
    def no_cap_is_exceeded(self) -> None:
        if not self.honest:
            return
        for window in self.model.policy.windows:
            if not window.shadow:
                for times in self._real_times(window).values():
                    _within(window, sorted(times), self.model.policy.time_zone)

    def _real_times(self, window: Window) -> dict[object, list[int]]:
        times: dict[object, list[int]] = defaultdict(list)
        for approval in self.model.approvals:
            want, at_ms = approval.want, self.sent[approval.want.name]
            if at_ms is None or not window.kinds >> want.kind & 1:
                continue
            scopes = {Scope.ACCOUNT: want.account, Scope.CAMPAIGN: want.campaign}
            if window.scope != Scope.CAMPAIGN or want.campaign is not None:
                times[scopes.get(window.scope)].append(at_ms)
        return times


def _within(window: Window, times: list[int], zone: str) -> None:
    assert all(later - e >= window.min_gap_ms for e, later in pairwise(times))
    if window.limit is None:
        return
    for at_ms in times:
        if window.rolling_ms is not None:
            inside = [e for e in times if at_ms - window.rolling_ms < e <= at_ms]
        else:
            assert window.calendar is not None
            here = period_of(window.calendar, zone, at_ms)
            inside = [e for e in times if period_of(window.calendar, zone, e) == here]
        assert len(inside) <= (31 if window.limit == DAYS_IN_MONTH else window.limit)


def _clock(of_day_ms: int) -> str:
    return f"{local('UTC', of_day_ms):%H:%M:%S}"


def _answer_of(settled: Decided) -> tuple[str, Answer]:
    verdict = settled.verdict
    answer = Answer(
        outcome=str(verdict.outcome),
        reason=str(verdict.reason),
        rule=verdict.rule,
        eligible_at_ms=verdict.eligible_at_ms,
        send_by_ms=verdict.send_by_ms,
        remaining=verdict.remaining,
        code=verdict.wecom_errcode,
        shadow=verdict.shadow and {k: str(v) for k, v in verdict.shadow.items()},
    )
    return settled.request.intent_id, answer


# Always the same examples, so that a run in CI fails only for what was changed. For a search:
# MACHINE_EXAMPLES=20000 pytest tests/unit/core/test_machine.py
SEARCH = os.environ.get("MACHINE_EXAMPLES")

TestCustomer = Customer.TestCase
TestCustomer.settings = settings(
    max_examples=int(SEARCH or 300),
    stateful_step_count=40,
    derandomize=SEARCH is None,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    print_blob=SEARCH is not None,
)
