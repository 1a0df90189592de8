"""The rules of contact, told a second time: what a customer's past allows at a moment, and why not.

A model of a policy by brute force, sharing no code with the engine: windows are counted by
looking at every contact, and the earliest legal time is found by trying every moment at which
anything changes. It judges decisions that were taken; it does not predict their order.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tests.system.chaos.inputs import Event
    from tests.system.chaos.laws import Law, Rule

Why = tuple[str, str | None]
"""A reason and the rule it names."""


@dataclass(frozen=True)
class Ask:
    """One intent for one customer."""

    name: str
    """Enough to tell it from every other of the customer's."""
    account: str
    kind: str
    campaign: str | None
    priority: int
    deny: bool
    accepted_ms: int
    not_before_ms: int
    deadline_ms: int | None
    unled_ms: int | None = None
    """When its account first let it go on without leave, by that record's own time."""


def ends_ms(ask: Ask, law: Law) -> int:
    """Until when an ask may wait: its own deadline, else by the policy, from when it is of use."""
    if ask.deadline_ms is not None:
        return ask.deadline_ms
    return max(ask.accepted_ms, ask.not_before_ms) + law.deadline_ms[ask.kind]


@dataclass(frozen=True)
class Contact:
    """One approved message, counting at `at_ms`; `doubted`: it was failed once."""

    ask: Ask
    number: int
    version: int
    decided_ms: int
    send_by_ms: int
    at_ms: int
    state: str = "reserved"
    doubted: bool = False


class Waiting(NamedTuple):
    """What is held, until when."""

    ask: Ask
    deadline_ms: int


@dataclass
class Known:
    """A customer's past, as far as it is known at some moment. Values inside are never changed."""

    contacts: dict[str, Contact] = field(default_factory=dict)
    """By decision id."""
    credit_ms: dict[str, int] = field(default_factory=dict)
    hurt_ms: dict[str, int] = field(default_factory=dict)
    consent: dict[str, tuple[int, bool]] = field(default_factory=dict)
    heard: frozenset[tuple[str, str, str]] = frozenset()
    """Of the same source and id, what says something else is another event."""
    held: dict[str, Waiting] = field(default_factory=dict)
    queued: dict[str, Waiting] = field(default_factory=dict)
    """What waits here, and what waits in accounts' queues."""
    written_ms: int = 0
    """When the decision that is judged was written, by its record's own time."""
    braked_ms: Mapping[str, int] = field(default_factory=dict)
    """Until when each account is braked, as the customer's partition knows it."""

    def copy(self) -> Known:
        """The same past, free to go another way."""
        new = copy(self)
        new.contacts = dict(self.contacts)
        new.held, new.queued = dict(self.held), dict(self.queued)
        new.credit_ms, new.hurt_ms = dict(self.credit_ms), dict(self.hurt_ms)
        new.consent = dict(self.consent)
        return new

    def waiting(self, name: str) -> Waiting | None:
        """What waits under a name, here or in a queue."""
        return self.held.get(name) or self.queued.get(name)

    def left_queue(self) -> dict[str, Waiting]:
        """What its account's queue had let go without leave: it asks again from here, unsaid."""
        return {
            name: waiting
            for name, waiting in self.queued.items()
            if (unled_ms := waiting.ask.unled_ms) is not None and unled_ms <= self.written_ms
        }

    # --- what customers and senders say --------------------------------------------------------

    def hear(self, event: Event, noted_ms: int) -> None:
        """Take note of an interaction; `noted_ms`: the engine's clock then."""
        at_ms = min(event.data["occurred_at_ms"], noted_ms)
        if event.type in {"delivered", "failed"}:
            self._receipt(event, at_ms)
            return
        said = event.source, event.id, f"{event.type} {event.data}"
        if said in self.heard:
            return
        self.heard |= {said}
        account = event.data.get("account_id", "")
        if event.type == "message_received":
            self.credit_ms[account] = max(self.credit_ms.get(account, 0), at_ms)
        elif event.type in {"complained", "blocked"}:
            self._hurt(event.data, at_ms)
        elif event.type == "consent":
            self._consent(event.data, at_ms)

    def _hurt(self, data: dict[str, Any], at_ms: int) -> None:
        """The account of the message that is named, else the one told; never before the message."""
        account, named = data["account_id"], self.contacts.get(data.get("decision_id", ""))
        if named is not None:
            account, at_ms = named.ask.account, max(at_ms, named.decided_ms)
        self.hurt_ms[account] = max(self.hurt_ms.get(account, 0), at_ms)

    def _receipt(self, event: Event, at_ms: int) -> None:
        name = event.data["decision_id"]
        contact = self.contacts.get(name)
        if contact is None or contact.state == "delivered":
            return
        if event.type == "failed":
            self.contacts[name] = replace(contact, state="released", doubted=True)
        else:
            at_ms = max(contact.decided_ms, at_ms)
            self.contacts[name] = replace(contact, state="delivered", at_ms=at_ms)

    def _consent(self, data: dict[str, Any], at_ms: int) -> None:
        kinds = data.get("kinds", "all")
        everything = ["direct", "broadcast", "moment", "friend_request", "transactional"]
        for kind in everything if kinds == "all" else kinds:
            known_ms, allowed = self.consent.get(kind, (0, True))
            if (known_ms, not allowed) <= (at_ms, not data["allowed"]):
                self.consent[kind] = (at_ms, data["allowed"])

    # --- what the engine decided ---------------------------------------------------------------

    def follow(self, ask: Ask, said: dict[str, Any], law: Law, number: int) -> None:
        """Let a decision have its effect, justified or not."""
        was_here = self.held.pop(ask.name, None) is not None
        self.queued.pop(ask.name, None)
        if said["outcome"] == "deferred":  # what waits for leave alone goes on to wait here
            place = self.queued if said["stage"] == "account" and not was_here else self.held
            place[ask.name] = Waiting(ask, ends_ms(ask, law))
        elif said["outcome"] == "approved":
            now_ms, send_by_ms = said["decided_at_ms"], said["send_by_ms"]
            self.contacts[said["decision_id"]] = Contact(
                ask, number, law.version, now_ms, send_by_ms, send_by_ms
            )


# --- the rules --------------------------------------------------------------------------------


def noes(known: Known, ask: Ask, law: Law, now_ms: int) -> list[Why]:
    """Everything that no waiting mends."""
    found: list[Why] = []
    if _unwilling(known, ask, law):
        found.append(("no_consent", "consent"))
    if _suppressed(known, ask, law, now_ms):
        found.append(("suppressed", "suppression"))
    if _uncalled(known, ask, law, now_ms):
        found.append(("no_reply_credit", "reply"))
    return found


def _unwilling(known: Known, ask: Ask, law: Law) -> bool:
    if ask.kind in {"reply", "transfer"}:
        return False
    said = known.consent.get(ask.kind)
    return ask.kind in law.asked if said is None else not said[1]


def _suppressed(known: Known, ask: Ask, law: Law, now_ms: int) -> bool:
    if ask.kind not in law.suppressed:
        return False
    by_account = known.hurt_ms.get(ask.account)
    return any(hurt + law.enterprise_ms > now_ms for hurt in known.hurt_ms.values()) or (
        by_account is not None and by_account + law.account_ms > now_ms
    )


def _uncalled(known: Known, ask: Ask, law: Law, now_ms: int) -> bool:
    if ask.kind != "reply" or law.credits is None:
        return False
    called_ms = known.credit_ms.get(ask.account)
    if called_ms is None or now_ms >= called_ms + law.within_ms:
        return True
    used = [
        c
        for c in known.contacts.values()
        if (c.ask.kind, c.ask.account) == ("reply", ask.account)
        and c.state != "released"
        and c.decided_ms >= called_ms
    ]
    return len(used) >= law.credits


def counting(known: Known, ask: Ask, rule: Rule) -> list[int]:
    """The times of all contacts under a rule, with those this ask shares it with."""
    return [
        c.at_ms
        for c in known.contacts.values()
        if c.state != "released" and shares(rule, c.ask, ask)
    ]


def shares(rule: Rule, one: Ask, other: Ask) -> bool:
    """Whether a rule counts two messages together."""
    if one.kind not in rule.kinds or other.kind not in rule.kinds:
        return False
    if rule.scope == "account":
        return one.account == other.account
    return rule.scope == "enterprise" or one.campaign == other.campaign


class Bounds(NamedTuple):
    """Everything of a past that says when: the contacts under each rule, and the brake's end."""

    ask: Ask
    times: list[tuple[Rule, list[int]]]
    braked_ms: int


def bounds_of(known: Known, ask: Ask, law: Law) -> Bounds:
    """What bears on an ask."""
    times = [(rule, counting(known, ask, rule)) for rule in law.governing(ask.kind)]
    return Bounds(ask, times, known.braked_ms.get(ask.account, 0) if ask.kind in law.braked else 0)


def too_early(bounds: Bounds, now_ms: int) -> Iterator[Why]:
    """Every rule that says not now."""
    ask = bounds.ask
    if bounds.braked_ms > now_ms:
        yield "account_paused", "brake"
    if ask.not_before_ms > now_ms:
        yield "not_yet", None
    for rule, contacts in bounds.times:
        if rule.limit is not None:
            free = rule.limit - used(rule, contacts, now_ms)
            kept = 0 if ask.priority >= rule.urgent else rule.slots
            if free < 1:
                full = "account_window_full" if rule.scope == "account" else "window_full"
                yield full, rule.id
            elif free <= kept:
                yield "slot_reserved", rule.id
        if rule.gap_ms and any(now_ms < at_ms + rule.gap_ms for at_ms in contacts):
            yield "min_gap", rule.id


def used(rule: Rule, contacts: Iterable[int], now_ms: int) -> int:
    """How many contacts count at a moment."""
    return sum(at_ms > now_ms - rule.rolling_ms for at_ms in contacts)


def earliest(bounds: Bounds, now_ms: int) -> int | None:
    """The first legal moment if nothing else happens: every moment of change is tried."""
    first = max(now_ms, bounds.ask.not_before_ms, bounds.braked_ms)
    moments = {first}
    for rule, contacts in bounds.times:
        for at_ms in contacts:
            moments |= {at_ms + rule.rolling_ms, at_ms + rule.gap_ms}
    for moment in sorted(m for m in moments if m >= first):
        if not any(too_early(bounds, moment)):
            return moment
    return None
