"""The end of the demo: what happened and why, in tables for a newcomer.

Rules of this file: evidence in, lines out; every number is counted from the evidence.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Final

from streams.core.kinds import KIND_NAMES
from streams.core.reasons import TOO_EARLY
from streams.demo.account_summary import accounts, brake, campaigns
from streams.demo.audit import contacts_of
from streams.demo.day import local
from streams.demo.words import WORDS, Words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from streams.core.policy import Policy
    from streams.demo.audit import Check
    from streams.demo.evidence import Ask, Evidence

COLUMNS: Final = ("approved", "denied", "duplicate", "expired", "held_out", "cancelled", "deferred")
TITLES: Final = {"deferred": "held now", "held_out": "held out"}
ENDS: Final = {
    "refused": "denied",
    "sent": "approved",
    "too late": "expired",
    "stopped": "cancelled",
    "waiting": "deferred",
}
AGAINST: Final = ("denied", "deferred", "cancelled")
WIDTH: Final = 100
BUSIEST: Final = 5
REASONS_SHOWN: Final = 16
STORY_LINES: Final = 10
UNSOLICITED: Final = ("direct", "broadcast", "moment", "friend_request")
"""Kinds that nobody called for."""


def summary(
    evidence: Evidence, checks: Sequence[Check], policy: Policy
) -> Iterator[tuple[str, list[str]]]:
    """Titled paragraphs, in the order of reading."""
    yield "What was asked, and what became of it (intents × customers)", list(outcomes(evidence))
    yield "Why not, or not yet", list(reasons(evidence))
    yield "Accounts", list(accounts(evidence))
    yield "Campaigns", list(campaigns(evidence, policy))
    yield "The brake", list(brake(evidence, policy))
    yield "The most wanted customers: messages nobody called for", list(busiest(evidence))
    yield "One customer's story", list(story(evidence))
    yield (
        "Audit: counted again from the topics, then what the programs around them say",
        list(audited(checks)),
    )


def outcomes(evidence: Evidence) -> Iterator[str]:
    """Kind × outcome; repeats have a column of their own, what is held is held now."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for request in evidence.asks.values():
        if request.last:
            counts[request.last["kind"]][request.last["outcome"]] += 1
            counts[request.last["kind"]]["duplicate"] += request.repeats
    shown = [name for name in COLUMNS if any(kind[name] for kind in counts.values())]
    yield _row("", ["asked", *(TITLES.get(name, name) for name in shown)])
    for kind in sorted(counts, key=KIND_NAMES.index):
        yield _row(kind, [evidence.kinds_asked[kind], *(counts[kind][name] for name in shown)])
    totals = sum(counts.values(), Counter())
    yield _row("all", [evidence.asked, *(totals[name] for name in shown)])
    yield "expired: held until its deadline passed; held now: goes as soon as every rule allows it"


def reasons(evidence: Evidence) -> Iterator[str]:
    """For what was not sent at once: the last reason not to send it, and how it ended."""
    ends: dict[str, Counter[str]] = defaultdict(Counter)
    for request in evidence.asks.values():
        against = [d["reason"] for d in request.decisions if d["outcome"] in AGAINST]
        if request.last and against:
            ends[against[-1]][request.last["outcome"]] += 1
    heads = "".join(f"{title:>9}" for title in ENDS)
    yield f"{'last reason':<17}{heads}  meaning"
    most = sorted(ends, key=lambda reason: (-ends[reason].total(), reason))
    for reason in most[:REASONS_SHOWN]:
        words = WORDS.get(reason, Words(reason, ""))
        cells = "".join(f"{ends[reason][outcome]:>9,}" for outcome in ENDS.values())
        yield f"{reason:<17}{cells}  {words.meaning}"
    yield "What a producer can do:"
    for reason in most[:REASONS_SHOWN]:
        if reason in WORDS:
            yield f"  {reason:<17}{WORDS[reason].advice}"


def busiest(evidence: Evidence) -> Iterator[str]:
    """Who was asked for most, and what reached them."""
    asked: Counter[str] = Counter()
    for (_, _, customer), request in evidence.asks.items():
        if request.last and request.last["kind"] in UNSOLICITED:
            asked[customer] += request.times
    got = Counter(c.customer for c in contacts_of(evidence) if c.kind in UNSOLICITED)
    scale = max(asked.values(), default=1)
    for customer, count in sorted(asked.items(), key=lambda item: (-item[1], item[0]))[:BUSIEST]:
        bar = "█" * got[customer] + "░" * (count - got[customer])
        yield f"{customer}  {bar:<{scale}}  {count} wanted, {got[customer]} sent"
    people = len(asked) or 1
    mean_asked, mean_got = asked.total() / people, got.total() / people
    yield f"on average {mean_asked:.1f} wanted, {mean_got:.1f} sent; most sent to anybody: " + str(
        max(got.values(), default=0)
    )


def story(evidence: Evidence) -> Iterator[str]:
    """Everything decided about one customer, line by line, and the rule it rested on."""
    customer = _tellable(evidence)
    if customer is None:
        return
    yield f"{customer}, every decision on what was wanted from them:"
    for decision in _decisions_of(evidence, customer):
        yield f"  {_told(decision)}"


def audited(checks: Iterable[Check]) -> Iterator[str]:
    """A line for each check, or as many as it needs."""
    for check in checks:
        wrong = "" if check.good else f"  [{check.faults:,} wrong]"
        head = "ok    " if check.good else "FAULT "
        yield from wrap(f"{head}{check.text}{wrong}", WIDTH, subsequent_indent=" " * len(head))


def _row(name: str, cells: Iterable[int | str]) -> str:
    return f"{name:<15}" + "".join(
        f"{cell:>10,}" if isinstance(cell, int) else f"{cell:>10}" for cell in cells
    )


def _tellable(evidence: Evidence) -> str | None:
    """The customer whose decisions show most reasons and fit on the screen."""
    decided: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for (_, _, customer), request in evidence.asks.items():
        decided[customer] += request.decisions
    short = {name: all_ for name, all_ in decided.items() if 1 < len(all_) <= STORY_LINES}
    return max(short, key=lambda name: (_variety(short[name]), name), default=None)


def _variety(decisions: Iterable[dict[str, Any]]) -> int:
    return len({(decision["outcome"], decision["reason"]) for decision in decisions})


def _decisions_of(evidence: Evidence, customer: str) -> list[dict[str, Any]]:
    requests: Iterable[Ask] = (ask for name, ask in evidence.asks.items() if name[2] == customer)
    decisions = [decision for request in requests for decision in request.decisions]
    return sorted(decisions, key=lambda decision: decision["decided_at_ms"])


def _told(decision: dict[str, Any]) -> str:
    who = f"{local(decision['decided_at_ms'])} {decision['account_id']} {decision['kind']:<14}"
    why = "" if decision["outcome"] == "approved" else f" {decision['reason']}"
    rule = f" ({decision['rule']})" if decision.get("rule") else ""
    when = decision.get("eligible_at_ms")
    earliest = f", earliest {local(when)}" if when and decision["reason"] in TOO_EARLY else ""
    return f"{who} {decision['outcome']}{why}{rule}{earliest}"
