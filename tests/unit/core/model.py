"""A naive model of one customer, written from the policy's documents alone.

It keeps every approval, receipt and event for ever in plain lists, and answers every question by
going through all of them anew. It shares no line of reasoning with the core: local days are read
off a calendar, and the earliest legal time is found by trying, in order, every moment at which
anything could become legal.

Two readings the documents leave open are fixed here: a sign of interest answers every contact that
was approved by then, sent or not; and a reply uses the credit of the last message before its
approval.
"""

from __future__ import annotations

from calendar import monthrange
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from streams.core.kinds import Kind
from streams.core.policy import DAYS_IN_MONTH, FOREVER, Calendar, Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from streams.core.policy import Policy, Window

DAY_MS: Final = 86_400_000
LAST_MS: Final = 253_402_300_799_999
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
WEEK_MS: Final = 7 * DAY_MS
DISTURBS: Final = (Kind.DIRECT, Kind.BROADCAST, Kind.MOMENT, Kind.FRIEND_REQUEST)


@dataclass(frozen=True)
class Want:
    """An intent for this customer."""

    name: str
    account: str
    kind: Kind
    priority: int = 50
    deny: bool = False
    accepted_ms: int = 0
    campaign: str | None = None
    not_before_ms: int | None = None
    deadline_ms: int | None = None
    taker: str | None = None


@dataclass
class Approval:
    """An approved message and everything its receipts said."""

    want: Want
    account: str
    decided_ms: int
    send_by_ms: int
    delivered_ms: int | None = None
    failed: bool = False
    taken_ms: int | None = None
    moved: bool = False

    @property
    def counts_ms(self) -> int | None:
        """Delivered beats failed; without a receipt the last moment it may be sent."""
        if self.delivered_ms is not None:
            return self.delivered_ms
        if self.taken_ms is not None:
            return self.taken_ms
        return None if self.failed else self.send_by_ms

    @property
    def sent_ms(self) -> int | None:
        """As `counts_ms`, for what a customer may have seen: not what was somebody else's."""
        return None if self.delivered_ms is None and self.failed else self.counts_ms


@dataclass
class Complaint:
    """All that is said against one message, or on one day against an account: the heaviest."""

    account: str
    approval: Approval | None
    what: str | None = None


@dataclass
class Answer:
    """What the decision must say."""

    outcome: str
    reason: str
    rule: str | None = None
    eligible_at_ms: int | None = None
    send_by_ms: int | None = None
    remaining: dict[str, int] | None = None
    code: int | None = None
    shadow: dict[str, str] | None = None


@dataclass
class Waiting:
    """A held intent and what was last said of it; `stirred`: the customer was handed over since,
    which may have made it legal, and yet it waits for its own time. `queued`: its account says when
    its time has come.
    """

    want: Want
    deadline_ms: int
    reason: str
    rule: str | None
    eligible_at_ms: int | None
    due_ms: int
    stirred: bool = field(default=False, compare=False)
    queued: bool = field(default=False, compare=False)


@dataclass
class Model:
    """One customer of one enterprise; `now_ms` is the engine's clock."""

    policy: Policy
    now_ms: int
    approvals: list[Approval] = field(default_factory=list)
    written: list[tuple[str, int]] = field(default_factory=list)
    interest: list[tuple[str, int]] = field(default_factory=list)
    hurts: list[tuple[str, int]] = field(default_factory=list)
    words: list[tuple[int, Kind, bool]] = field(default_factory=list)
    hours: list[tuple[int, tuple[int, int] | None, str | None]] = field(default_factory=list)
    ties: list[tuple[str, int, bool]] = field(default_factory=list)
    arrived: dict[str, int] = field(default_factory=dict)
    waiting: list[Waiting] = field(default_factory=list)
    complaints: list[Complaint] = field(default_factory=list)
    days: list[tuple[str, int, Complaint]] = field(default_factory=list)
    keeps_ms: tuple[int, ...] = ()

    # --- what happens ---------------------------------------------------------------------------

    def arrives(self, want: Want) -> list[tuple[str, Answer]]:
        """What is due has the first word, though its timer has not fired yet."""
        return self.look_again(only_due=True) + self._arrives(want)

    def queues(self, want: Want, eligible_at_ms: int) -> list[tuple[str, Answer]]:
        """It waits in its account's queue, unless that would be for nothing."""
        return self.look_again(only_due=True) + self._arrives(want, eligible_at_ms)

    def passed_on(self, want: Want) -> list[tuple[str, Answer]]:
        """Its account gives leave for what waits in its queue, if it still does."""
        said = self.look_again(only_due=True)
        held = next((w for w in self.waiting if w.want == want and w.queued), None)
        if held is None:
            return said
        own = self._look_at(held, self.decide)
        yielded = self._too_many()
        return said + (yielded if yielded and yielded[0][0] == want.name else own + yielded)

    def _arrives(self, want: Want, eligible_at_ms: int | None = None) -> list[tuple[str, Answer]]:
        known_ms = self.arrived.get(want.name)
        if any(w.want.name == want.name for w in self.waiting) or (
            known_ms is not None and self.now_ms < known_ms + self.policy.remember_ms
        ):
            return [(want.name, Answer("duplicate", "duplicate"))]
        self.arrived[want.name] = self.now_ms
        if eligible_at_ms is None:
            answer = self.decide(want)
        else:
            answer = self._refusal(want) or Answer(
                "deferred", "account_pacing", eligible_at_ms=eligible_at_ms
            )
        said = [(want.name, answer)]
        if answer.outcome == "deferred":
            held = self._hold(want, answer)
            if eligible_at_ms is not None:
                held.queued, held.due_ms = True, held.deadline_ms + 1
            yielded = self._too_many()
            # Who yields at once never waited: that is all there is to say of it.
            said = yielded if yielded and yielded[0][0] == want.name else said + yielded
        return said

    def _hold(self, want: Want, answer: Answer) -> Waiting:
        deadline_ms = want.deadline_ms
        if deadline_ms is None:
            useful_ms = max(want.accepted_ms, want.not_before_ms or 0)
            deadline_ms = min(useful_ms + self.policy.deadline_ms[want.kind], LAST_MS)
        due_ms = deadline_ms + 1
        if answer.eligible_at_ms is not None and answer.eligible_at_ms < due_ms:
            due_ms = answer.eligible_at_ms
        held = Waiting(want, deadline_ms, answer.reason, answer.rule, answer.eligible_at_ms, due_ms)
        self.waiting.append(held)
        return held

    def _too_many(self) -> list[tuple[str, Answer]]:
        here = [w for w in self.waiting if not w.queued]
        if len(here) <= self.policy.max_held:
            return []
        least = self._by_urgency(here)[-1]
        self.waiting.remove(least)
        self.arrived[least.want.name] = self.now_ms
        judged = self._refused(least.want) or self._timed(least.want)
        answer = Answer("denied", "too_many_held", "max_held", judged.eligible_at_ms)
        answer.remaining = self.remaining(least.want, taken=False)
        return [(least.want.name, answer)]

    @staticmethod
    def _by_urgency(waiting: list[Waiting]) -> list[Waiting]:
        return sorted(waiting, key=lambda w: (-w.want.priority, w.want.accepted_ms))

    def look_again(self, *, only_due: bool) -> list[tuple[str, Answer]]:
        """Timers look at what is due, an event at everything, the most urgent first."""
        said = []
        for held in self._by_urgency(list(self.waiting)):
            if held.queued:
                if not only_due and self._refused(held.want):
                    said += self._look_at(held, self._refusal)
            elif not only_due or held.due_ms <= self.now_ms:
                said += self._look_at(held, self.decide)
        return said

    def _look_at(
        self, held: Waiting, decide: Callable[[Want], Answer | None]
    ) -> list[tuple[str, Answer]]:
        self.waiting.remove(held)
        answer = None if self.now_ms > held.deadline_ms else decide(held.want)
        if answer is None:
            answer = Answer("expired", "deadline_passed", held.rule)
            answer.remaining = self.remaining(held.want, taken=False)
        if answer.outcome != "deferred":
            self.arrived[held.want.name] = self.now_ms
        if answer.outcome != "deferred" or self._hold(held.want, answer) != held:
            return [(held.want.name, answer)]
        return []

    def delivered(self, name: str, occurred_ms: int) -> None:
        """The first stays. What ends a transfer is `transferred` or `transfer_failed`."""
        for approval in self.approvals:
            if approval.want.name == name and approval.want.kind != Kind.TRANSFER:
                self._sent(approval, occurred_ms)

    def _sent(self, approval: Approval, occurred_ms: int) -> None:
        """Bounded to [decided, clock]."""
        if approval.delivered_ms is None:
            approval.delivered_ms = max(min(occurred_ms, self.now_ms), approval.decided_ms)

    def failed(self, name: str, *, taken: bool = False) -> None:
        """`taken`: somebody outside used the slot; a reply and a transfer have none."""
        for approval in self.approvals:
            if approval.want.name == name:
                approval.failed = True
                has_slot = approval.want.kind not in {Kind.REPLY, Kind.TRANSFER}
                if taken and has_slot and approval.taken_ms is None:
                    approval.taken_ms = self.now_ms

    def is_failed(self, name: str) -> bool:
        """Whether its failure is known; a delivery that is told later says otherwise."""
        mine = [a for a in self.approvals if a.want.name == name]
        return any(a.failed and a.delivered_ms is None for a in mine)

    def is_delivered(self, name: str) -> bool:
        """Whether its delivery is known."""
        return any(a.want.name == name and a.delivered_ms is not None for a in self.approvals)

    def wrote(self, account: str, occurred_ms: int) -> None:
        self.written.append((account, min(occurred_ms, self.now_ms)))
        self.engaged(account, occurred_ms)

    def engaged(self, account: str, occurred_ms: int) -> None:
        self.interest.append((account, min(occurred_ms, self.now_ms)))

    def hurt(self, what: str, account: str, occurred_ms: int, name: str | None = None) -> None:
        """Feedback is about the message that it names, else about the last that disturbed."""
        at_ms = min(occurred_ms, self.now_ms)
        approval = next((a for a in self.approvals if a.want.name == name), None)
        if approval is not None:
            account, at_ms = approval.want.account, max(at_ms, approval.decided_ms)
            self._costs(self._complaint_of(account, approval), what)
        elif at_ms > self.now_ms - WEEK_MS:
            self._hurt_openly(what, account, at_ms, last=name is None)
        if what != "opt_outs":
            self.hurts.append((account, at_ms))

    def _hurt_openly(self, what: str, account: str, at_ms: int, *, last: bool) -> None:
        """Without a message all within a day is one complaint of the account."""
        days = [d for d in self.days if d[0] == account and abs(d[1] - at_ms) < DAY_MS]
        if days:
            day = min(days, key=lambda d: abs(d[1] - at_ms))
            complaint = day[2]
        else:
            day = None
            complaint = self._complaint_of(account, self._last_sent(account, at_ms, last=last))
        if self._costs(complaint, what):
            self.days = [d for d in self.days if d is not day] + [(account, at_ms, complaint)]

    def _complaint_of(self, account: str, approval: Approval | None) -> Complaint:
        for complaint in self.complaints:
            if approval is not None and complaint.approval is approval:
                return complaint
        self.complaints.append(Complaint(account, approval))
        return self.complaints[-1]

    def _costs(self, complaint: Complaint, what: str) -> bool:
        """The heaviest counts; whether it costs more than before."""
        weights = weights_of(self.policy)
        if complaint.what is not None and weights[what] <= weights[complaint.what]:
            return False
        complaint.what = what
        return True

    def _last_sent(self, account: str, at_ms: int, *, last: bool) -> Approval | None:
        sent = self._sent_by(account, at_ms) if last else []
        return max(sent, key=_sent_order, default=None)

    def _sent_by(self, account: str, at_ms: int) -> list[Approval]:
        """Delivered, or without any receipt at all surely sent by then."""
        known = [
            a
            for a in self.approvals
            if a.want.account == account
            and a.want.kind in (Kind.DIRECT, Kind.BROADCAST, Kind.MOMENT)
            and a.sent_ms is not None
            and a.sent_ms <= at_ms
            and self.now_ms < a.sent_ms + self.keeps_ms[a.want.kind]
        ]
        return [a for a in known if a.delivered_ms is not None] or known

    def is_unclear(self, account: str, occurred_ms: int) -> bool:
        """Whether several messages are the last, in one moment, of different campaigns: no rule
        says which of them annoyed.
        """
        sent = self._sent_by(account, min(occurred_ms, self.now_ms))
        last = max(map(_sent_order, sent), default=None)
        return len({a.want.campaign for a in sent if _sent_order(a) == last}) > 1

    def cost(self) -> Counter[tuple[str, str | None, str]]:
        """What each account and campaign has to count."""
        return Counter(
            (c.account, c.approval.want.campaign if c.approval else None, c.what)
            for c in self.complaints
            if c.what is not None
        )

    def said(self, kind: Kind, occurred_ms: int, *, allowed: bool) -> bool:
        """Whether it is the newest word, and takes back what was allowed."""
        at_ms = min(occurred_ms, self.now_ms)
        words = [(at, not yes) for at, k, yes in self.words if k == kind]
        before_ms, refused = max(words, default=(0, False))  # of one moment the stricter counts
        self.words.append((at_ms, kind, allowed))
        return not allowed and not refused and before_ms <= at_ms

    def told(self, occurred_ms: int, hours: tuple[int, int] | None, zone: str | None) -> None:
        self.hours.append((min(occurred_ms, self.now_ms), hours, zone))

    def transferred(self, giver: str, taker: str, occurred_ms: int) -> None:
        """rules.md 8: contacts in account scope, silence and suppression go to the taker; nothing
        that waits is looked at.
        """
        at_ms = min(occurred_ms, self.now_ms)
        if self._is_known(giver, taker, at_ms):
            return  # the same handover, told again
        self._sent(self._done(giver, at_ms), occurred_ms)
        for approval in self.approvals:
            if approval.account == giver:
                approval.account, approval.moved = taker, True
        self.interest = [(taker if a == giver else a, t) for a, t in self.interest]
        self.hurts += [(taker, t) for a, t in self.hurts if a == giver]
        self.written = [(a, t) for a, t in self.written if a != giver]
        self.ties += [(taker, at_ms, True), (giver, at_ms, False)]
        for held in self.waiting:
            held.stirred = True

    def _is_known(self, giver: str, taker: str, at_ms: int) -> bool:
        """R8.16: the taker has the customer, or a handover by the giver of then or later counts."""
        if self._has(giver) is not False or self._transfers(giver):
            return False
        return self._has(taker) is True or any(
            a.want.kind == Kind.TRANSFER
            and a.want.account == giver
            and a.delivered_ms is not None
            and a.delivered_ms >= at_ms
            for a in self.approvals
        )

    def _has(self, account: str) -> bool | None:
        """Whether the customer is the account's friend, as far as is known."""
        ties = [(at, not yes) for a, at, yes in self.ties if a == account]
        return not max(ties)[1] if ties else None

    def _done(self, giver: str, at_ms: int) -> Approval:
        """The transfer that was carried out: one that may still be, else one of which we were told
        otherwise, else one made without us; of several the latest.
        """
        for transfers in (self._transfers(giver), self._transfers(giver, failed=True)):
            if transfers:
                return transfers[-1]
        name = f"without us {len(self.approvals)}"
        self.approvals.append(Approval(Want(name, giver, Kind.TRANSFER), giver, at_ms, at_ms))
        return self.approvals[-1]

    def _transfers(self, giver: str, *, failed: bool = False) -> list[Approval]:
        """The account's own transfers that nothing was heard of, or that failed; oldest first."""
        return [
            a
            for a in self.approvals
            if (a.account, a.want.kind, a.moved) == (giver, Kind.TRANSFER, False)
            and a.delivered_ms is None
            and a.failed == failed
        ]

    def transfer_failed(self, giver: str, taker: str) -> None:
        """Named by its taker alone: the latest to that one, of each giver's last transfers."""
        if giver == taker:
            givers = {a.account for a in self.approvals}
            lasts = [self._last_transfer(account) for account in givers]
            meant = [a for a in lasts if a is not None and a.want.taker == taker]
            transfers = sorted(meant, key=lambda a: a.decided_ms)
        else:
            transfers = self._transfers(giver)
        if transfers:
            transfers[-1].failed = True

    def _last_transfer(self, giver: str) -> Approval | None:
        own = self._transfers(giver) + self._transfers(giver, failed=True)
        last = max(own, key=lambda a: a.decided_ms, default=None)
        return last if last is not None and not last.failed else None

    # --- the decision ---------------------------------------------------------------------------

    def decide(self, want: Want) -> Answer:
        answer = self._explained(want, self._refused(want) or self._timed(want))
        if answer.send_by_ms is not None:
            approval = Approval(want, want.account, self.now_ms, answer.send_by_ms)
            self.approvals.append(approval)
        return answer

    def _refusal(self, want: Want) -> Answer | None:
        refused = self._refused(want)
        return None if refused is None else self._explained(want, refused)

    def _explained(self, want: Want, answer: Answer) -> Answer:
        says = {
            w.id: self._window_says(w, want, self.now_ms) or "ok"
            for w in self._windows(want, shadow=True)
        }
        answer.shadow = says or None
        answer.remaining = self.remaining(want, taken=answer.outcome == "approved")
        return answer

    def _refused(self, want: Want) -> Answer | None:
        if want.deadline_ms is not None and self.now_ms > want.deadline_ms:
            return Answer("expired", "deadline_passed")
        checks = (
            self._consent,
            self._suppressed,
            self._friend,
            self._credit,
            self._transfer,
            self._zone,
        )
        return next((answer for check in checks if (answer := check(want)) is not None), None)

    def _consent(self, want: Want) -> Answer | None:
        if want.kind in (Kind.REPLY, Kind.TRANSFER):
            return None
        ask_first = self.policy.ask_first or 0
        words = [(at, not yes) for at, k, yes in self.words if k == want.kind]
        allowed = not max(words)[1] if words else not ask_first >> want.kind & 1
        return None if allowed else Answer("denied", "no_consent", "consent")

    def _suppressed(self, want: Want) -> Answer | None:
        rule = self.policy.suppression
        if rule is None or want.kind not in DISTURBS or not rule.kinds >> want.kind & 1:
            return None
        ends = []
        for account, at_ms in self.hurts:
            if account == want.account:
                ends.append(None if rule.account_ms == FOREVER else at_ms + rule.account_ms)
            ends.append(None if rule.enterprise_ms == FOREVER else at_ms + rule.enterprise_ms)
        known = [end for end in ends if end is not None]
        if len(known) < len(ends):
            return Answer("denied", "suppressed", "suppression")
        if not known or max(known) <= self.now_ms:
            return None
        return Answer("denied", "suppressed", "suppression", self.eligible(want, max(known)))

    def _friend(self, want: Want) -> Answer | None:
        required = self.policy.friends_required
        if required is None or want.kind not in DISTURBS or want.kind == Kind.FRIEND_REQUEST:
            return None
        has = self._has(want.account)
        friend = not required if has is None else has
        return None if friend else Answer("denied", "not_friend", "friends")

    def _credit(self, want: Want) -> Answer | None:
        """[message, message + within); a failed reply gives its credit back."""
        rule = self.policy.reply
        if rule is None or want.kind != Kind.REPLY:
            return None
        message_ms = self._last_message(want.account)
        if message_ms is None or self.now_ms >= message_ms + rule.within_ms:
            return Answer("denied", "no_reply_credit", "reply", code=95002)
        used = [
            a
            for a in self.approvals
            if a.want.kind == Kind.REPLY
            and a.account == want.account
            and not a.moved
            and a.counts_ms is not None
            and a.decided_ms >= message_ms
        ]
        if len(used) >= rule.credits:
            return Answer("denied", "no_reply_credit", "reply", code=95001)
        return None

    def _last_message(self, account: str) -> int | None:
        return max((at for a, at in self.written if a == account), default=None)

    def _transfer(self, want: Want) -> Answer | None:
        if want.kind != Kind.TRANSFER:
            return None
        for a in self.approvals:
            settled = a.failed or a.delivered_ms is not None
            if a.want.kind == Kind.TRANSFER and not settled and a.send_by_ms >= self.now_ms:
                return Answer("denied", "transfer_limit", code=40100)
        for window in self._windows(want):
            if self._window_says(window, want, self.now_ms) is not None:
                eligible_ms = self.eligible(want, self.now_ms)
                return Answer("denied", "transfer_limit", window.id, eligible_ms, code=40128)
        return None

    def _zone(self, want: Want) -> Answer | None:
        hours = self._quiet_rule(want)
        if hours is None or hours[0] == hours[1] or not self.policy.unknown_zone_denies:
            return None
        if self._own_zone() is not None:
            return None
        return Answer("denied", "quiet_hours", "unknown_zone")

    def _timed(self, want: Want) -> Answer:
        early = self.too_early(want, self.now_ms)
        if early is None:
            return Answer("approved", "ok", send_by_ms=self.send_by(want))
        never_held = want.deny or want.kind == Kind.TRANSFER
        outcome = "denied" if never_held else "deferred"
        return Answer(outcome, *early, eligible_at_ms=self.eligible(want, self.now_ms))

    # --- too early ------------------------------------------------------------------------------

    def too_early(self, want: Want, at_ms: int) -> tuple[str, str | None] | None:
        """What says not now, were it `at_ms` and nothing else had happened."""
        if want.not_before_ms is not None and at_ms < want.not_before_ms:
            return "not_yet", None
        for window in self._windows(want):
            says = self._window_says(window, want, at_ms)
            if says is not None:
                return says, window.id
        if at_ms < self.silent_until(want):
            return "silence_backoff", "silence"
        return ("quiet_hours", "quiet_hours") if self.is_quiet(want, at_ms) else None

    def _windows(self, want: Want, *, shadow: bool = False) -> list[Window]:
        """A reply is outside all windows; a rule by campaign is for a campaign's messages."""
        if want.kind == Kind.REPLY:
            return []
        return [
            w
            for w in self.policy.windows
            if w.kinds >> want.kind & 1
            and w.shadow == shadow
            and (w.scope != Scope.CAMPAIGN or want.campaign is not None)
        ]

    def _times(self, window: Window, want: Want) -> list[int]:
        """What counts together; messages of no campaign are no campaign."""
        return [
            a.counts_ms
            for a in self.approvals
            if a.counts_ms is not None
            and window.kinds >> a.want.kind & 1
            and (window.scope != Scope.ACCOUNT or a.account == want.account)
            and (window.scope != Scope.CAMPAIGN or want.campaign in {a.want.campaign} - {None})
        ]

    def _count(self, window: Window, want: Want, at_ms: int) -> int:
        """What counts under the window at a moment."""
        times = self._times(window, want)
        if window.rolling_ms is not None:
            return len([e for e in times if e > at_ms - window.rolling_ms])
        assert window.calendar is not None
        here = period_of(window.calendar, self.policy.time_zone, at_ms)
        same = [e for e in times if period_of(window.calendar, self.policy.time_zone, e) == here]
        return len(same)

    def _limit(self, window: Window, at_ms: int) -> int:
        assert window.limit is not None
        if window.limit != DAYS_IN_MONTH:
            return window.limit
        day = local(self.policy.time_zone, at_ms)
        return monthrange(day.year, day.month)[1]

    def _window_says(self, window: Window, want: Want, at_ms: int) -> str | None:
        if window.limit is not None:
            free = self._limit(window, at_ms) - self._count(window, want, at_ms)
            if free <= 0:
                own = window.scope == Scope.ACCOUNT
                return "account_window_full" if own else "window_full"
            if want.priority < window.reserve_priority and free <= window.reserve_slots:
                return "slot_reserved"
        gaps = [e + window.min_gap_ms for e in self._times(window, want)]
        return "min_gap" if window.min_gap_ms and any(at_ms < end for end in gaps) else None

    def remaining(self, want: Want, *, taken: bool) -> dict[str, int]:
        """The limit, less what counts at the decision, this message included when approved."""
        return {
            w.id: max(0, self._limit(w, self.now_ms) - self._count(w, want, self.now_ms) - taken)
            for w in self._windows(want)
            if w.limit is not None
        }

    def silent_until(self, want: Want) -> int:
        """The n-th contact in a row without engagement, n >= ignored, needs
        first * factor^(n - ignored), at most longest, before the next.
        """
        rule = self.policy.silence
        if rule is None or want.kind not in DISTURBS or not rule.kinds >> want.kind & 1:
            return 0
        heard_ms = max((at for a, at in self.interest if a == want.account), default=-1)
        row = [
            a.sent_ms
            for a in self.approvals
            if a.sent_ms is not None
            and rule.kinds >> a.want.kind & 1
            and a.want.kind in DISTURBS
            and a.account == want.account
            and a.decided_ms > heard_ms
        ]
        if len(row) < rule.ignored:
            return 0
        gap_ms = float(rule.first_ms)
        for _ in range(len(row) - rule.ignored):
            gap_ms = min(gap_ms * rule.factor, rule.longest_ms)
        return max(row) + int(min(gap_ms, rule.longest_ms))

    # --- quiet hours ----------------------------------------------------------------------------

    def _quiet_rule(self, want: Want) -> tuple[int, int] | None:
        """A customer's own replace the policy's."""
        rule = self.policy.quiet_hours
        if rule is None or want.kind not in DISTURBS or not rule.kinds >> want.kind & 1:
            return None
        told = [(at, (h[1] - h[0]) % DAY_MS, h) for at, h, _ in self.hours if h is not None]
        return max(told)[2] if told else (rule.from_ms, rule.to_ms)

    def _own_zone(self) -> str | None:
        told = [(at, zone) for at, _, zone in self.hours if zone is not None]
        return max(told)[1] if told else None

    def is_quiet(self, want: Want, at_ms: int) -> bool:
        """The wall clock stands in [from, to)."""
        rule = self._quiet_rule(want)
        if rule is None:
            return False
        of_day_ms = ms_of_day(self._own_zone() or self.policy.time_zone, at_ms)
        start_ms, end_ms = rule
        if start_ms <= end_ms:
            return start_ms <= of_day_ms < end_ms
        return of_day_ms >= start_ms or of_day_ms < end_ms

    # --- 7: the earliest legal time -------------------------------------------------------------

    def eligible(self, want: Want, from_ms: int) -> int | None:
        for moment in self._moments(want, from_ms):
            if self.too_early(want, moment) is None:
                return moment
        return None

    def _moments(self, want: Want, from_ms: int) -> Iterator[int]:
        """Every moment from `from_ms` on at which something may become legal, in order."""
        first = max(from_ms, want.not_before_ms or 0)
        windows = self._windows(want)
        moments = {first, self.silent_until(want)}
        for w in windows:
            for e in self._times(w, want):
                moments |= {e + (w.rolling_ms or 0), e + w.min_gap_ms}
        last = max(*moments, first)
        if any(w.calendar is not None for w in windows):
            moments |= set(period_starts(self.policy.time_zone, first, last + 70 * DAY_MS))
        rule = self._quiet_rule(want)
        if rule is not None:
            zone = self._own_zone() or self.policy.time_zone
            moments |= set(clock_times(zone, rule[1], first, last + 70 * DAY_MS))
        return iter(sorted(m for m in moments if m >= first))

    # --- 5: the last moment to send -------------------------------------------------------------

    def send_by(self, want: Want) -> int:
        now_ms, zone = self.now_ms, self.policy.time_zone
        ends = [now_ms + self.policy.validity_ms[want.kind]]
        if want.deadline_ms is not None:
            ends.append(want.deadline_ms)
        for w in self._windows(want):
            if w.calendar is not None:
                here = period_of(w.calendar, zone, now_ms)
                starts = period_starts(zone, now_ms + 1, now_ms + 40 * DAY_MS)
                ends.append(next(s for s in starts if period_of(w.calendar, zone, s) != here) - 1)
        rule = self._quiet_rule(want)
        if rule is not None and rule[0] != rule[1]:
            own = self._own_zone() or zone
            ends.append(next(clock_times(own, rule[0], now_ms + 1, now_ms + 9 * DAY_MS)) - 1)
        if self.policy.reply is not None and want.kind == Kind.REPLY:
            message_ms = self._last_message(want.account)
            assert message_ms is not None
            ends.append(message_ms + self.policy.reply.within_ms - 1)
        return min(ends)


def _sent_order(approval: Approval) -> tuple[int, int]:
    return approval.counts_ms or 0, approval.decided_ms


def weights_of(policy: Policy) -> dict[str, float]:
    """What each complaint weighs; the contract's defaults where the policy does not say."""
    if policy.reputation is None:
        return {"complaints": 1, "blocks": 1, "opt_outs": 0.5}
    weights = policy.reputation.weights
    return {"complaints": weights.complaint, "blocks": weights.block, "opt_outs": weights.opt_out}


# --- the wall clock -------------------------------------------------------------------------------


@lru_cache(maxsize=200_000)
def local(zone: str, at_ms: int) -> datetime:
    return (EPOCH + timedelta(milliseconds=at_ms)).astimezone(ZoneInfo(zone))


def ms_of_day(zone: str, at_ms: int) -> int:
    now = local(zone, at_ms)
    return ((now.hour * 60 + now.minute) * 60 + now.second) * 1000 + now.microsecond // 1000


def period_of(calendar: Calendar, zone: str, at_ms: int) -> tuple[int, ...]:
    """A name for the local day, week or month a moment falls in."""
    day = local(zone, at_ms).date()
    if calendar is Calendar.DAY:
        return (day.toordinal(),)
    return tuple(day.isocalendar()[:2]) if calendar is Calendar.WEEK else (day.year, day.month)


@lru_cache(maxsize=20_000)
def _offsets(zone: str, utc_day: int) -> frozenset[int]:
    """How far the wall clock is from UTC at any time of a day of UTC, in milliseconds."""
    edges = (local(zone, (utc_day + edge) * DAY_MS).utcoffset() for edge in (0, 1))
    return frozenset(round((edge or timedelta()).total_seconds()) * 1_000 for edge in edges)


@lru_cache(maxsize=20_000)
def clock_strikes(zone: str, of_day_ms: int, utc_day: int) -> tuple[int, ...]:
    """When the wall clock reads a time of day within one day of UTC."""
    offsets = _offsets(zone, utc_day)
    moments = {utc_day * DAY_MS + (of_day_ms - offset) % DAY_MS for offset in offsets}
    return tuple(sorted(m for m in moments if ms_of_day(zone, m) == of_day_ms))


@lru_cache(maxsize=20_000)
def day_starts(zone: str, utc_day: int) -> tuple[int, ...]:
    """The first milliseconds of local days within one day of UTC."""
    if len(_offsets(zone, utc_day)) == 1:
        return clock_strikes(zone, 0, utc_day)
    # The clocks change on this day: every quarter of an hour is looked at.
    moments = range(utc_day * DAY_MS, (utc_day + 1) * DAY_MS, 900_000)
    return tuple(m for m in moments if local(zone, m).date() > local(zone, m - 1).date())


def period_starts(zone: str, from_ms: int, until_ms: int) -> Iterator[int]:
    """The first milliseconds of local days (and so of weeks and months), in order."""
    for utc_day in range(from_ms // DAY_MS, until_ms // DAY_MS + 1):
        yield from (m for m in day_starts(zone, utc_day) if from_ms <= m <= until_ms)


def clock_times(zone: str, of_day_ms: int, from_ms: int, until_ms: int) -> Iterator[int]:
    """When the wall clock reads a time of day, in order."""
    for utc_day in range(from_ms // DAY_MS, until_ms // DAY_MS + 1):
        strikes = clock_strikes(zone, of_day_ms, utc_day)
        yield from (m for m in strikes if from_ms <= m <= until_ms)
