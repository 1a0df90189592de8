"""Caps, recounted from what was really sent: no interleaving, no engine, no benefit of the doubt.

A message counts when it was delivered, at the latest when it might have been sent last. Whoever was
decided last of those in a window saw all the others, so the version of the policy it was decided by
is the one whose limit they must keep to.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tests.system.chaos.laws import Law, Rule
    from tests.system.chaos.referee import Contact, Known


def over_caps(known: Mapping[bytes, Known], laws: Iterable[Law]) -> Iterator[str]:
    """Every window and gap that was broken."""
    laws = list(laws)
    for key, past in known.items():
        enterprise = key.decode().split("/")[0]
        contacts = [c for c in past.contacts.values() if _counts(c)]
        for law in laws:
            if law.enterprise == enterprise:
                for rule in law.rules:
                    for group in _groups(rule, contacts):
                        for sentence in _broken(rule, law.version, group):
                            yield f"{key.decode()}: {sentence}"


def _counts(contact: Contact) -> bool:
    """Sent, and by a sender who kept to what was approved."""
    kept_to_it = contact.at_ms <= contact.send_by_ms and not contact.doubted
    return contact.state != "released" and kept_to_it


def _groups(rule: Rule, contacts: Iterable[Contact]) -> Iterator[list[Contact]]:
    groups: dict[str | None, list[Contact]] = defaultdict(list)
    for contact in contacts:
        ask = contact.ask
        if ask.kind in rule.kinds and ask.kind != "reply":
            own = {"account": ask.account, "campaign": ask.campaign}
            groups[own.get(rule.scope)].append(contact)
    for group in groups.values():
        yield sorted(group, key=lambda c: c.at_ms)


def _broken(rule: Rule, version: int, group: list[Contact]) -> Iterator[str]:
    times = [c.at_ms for c in group]
    for last in range(len(group)) if rule.limit is not None else ():
        first = bisect_right(times, times[last] - rule.rolling_ms)
        inside = group[first : last + 1]
        if len(inside) > (rule.limit or 0) and _latest(inside).version == version:
            yield f"{len(inside)} under {rule.id} in {rule.rolling_ms} ms until {times[last]}"
    for one, next_one in pairwise(group) if rule.gap_ms else ():
        apart_ms = next_one.at_ms - one.at_ms
        if apart_ms < rule.gap_ms and _latest([one, next_one]).version == version:
            yield f"{apart_ms} ms apart under {rule.id} at {next_one.at_ms}"


def _latest(contacts: Iterable[Contact]) -> Contact:
    return max(contacts, key=lambda c: c.number)
