"""The audit: from the topics alone, whether what Decorum promises was kept. It can fail.

What is proven from outside, for everything that was on the topics when they were read:

- *Nothing is lost or doubled.* Each accepted intent and customer has one first decision, as many
  `duplicate`s as it was repeated, and after `deferred` at most one final word; each refused record
  one dead letter that keeps it whole; each stray a copy where it belongs. What an account says of a
  repeat, that it is one or that it waits in the queue, may stand before or after the customer's
  word on the first.
- *Approved messages are the approved decisions*, one to one, each in its key's partition.
- *No cap is broken*: every window and gap, recounted from approved decisions and receipts alone;
  every account's adds of a day, and its pace, at the times at which it gave leave (`accounts`).
  Messages reported as sent after their `send_by_ms`, or as failed and then as sent, are the
  sender's breach and are left out of this count.
- *No decision is unjustified*: each is what the rules demand of the customer's past, outcome,
  reason, earliest legal time and what remains. Where the interleaving of receipts and decisions is
  not told by the topics, one that explains them all suffices (see `customers`).
- *The state is what the decisions say*: contacts, their times, what is held, and the balance.

What cannot be seen from outside: a held intent that was looked at again and found as before says
nothing; in which order what was due together was looked at; a stray forwarded twice, for its second
copy ends as a duplicate like any producer's repeat; a worker that names a reason which is true
while another one, true as well, would have come first; what an aborted transaction would have said;
and whether the clock of the machine was right.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import orjson

from streams.topics import (
    CANDIDATES,
    DEAD_LETTERS,
    DECISIONS,
    INTENTS,
    INTERACTIONS,
    POLICIES,
    TOPICS,
)
from tests.chaos.accounts import over_adds, over_pace
from tests.chaos.asks import read_asks
from tests.chaos.caps import over_caps
from tests.chaos.customers import Clockwork, Replay, Said
from tests.chaos.inputs import lost_strays, place_of, read_intents, read_interactions
from tests.chaos.judge import fault_of_account
from tests.chaos.laws import in_force, read_laws
from tests.chaos.letters import faults_of_letters, places_of_letters
from tests.chaos.states import faults_of_states

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.chaos.asks import AskKey
    from tests.chaos.evidence import Evidence, Seen
    from tests.chaos.inputs import Standing
    from tests.chaos.laws import Law
    from tests.chaos.referee import Known

_IN_QUEUE: Final = ("deferred", "account")
FINAL: Final = {"approved", "denied", "held_out", "expired", "cancelled"}
APPROVED: Final = [t.name for t in TOPICS if t.name.startswith("approved.")]


@dataclass
class Report:
    """What an audit found. `findings`: by kind, one sentence each; clean if there are none."""

    findings: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def clean(self) -> bool:
        """Whether nothing was found."""
        return not any(self.findings.values())

    def add(self, kind: str, sentences: Iterable[str]) -> None:
        """Note what was found of one kind."""
        self.findings[kind] += sentences

    def number(self, kind: str) -> int:
        """How many of a kind."""
        return len(self.findings.get(kind, ()))


def audit(evidence: Evidence) -> Report:
    """Read everything, judge everything. Raises Unjudged for a policy beyond the audit's rules."""
    return _Audit(evidence).run()


class _Audit:
    def __init__(self, evidence: Evidence) -> None:
        self.evidence, self.report = evidence, Report()
        partitions = evidence.partitions
        self.intents = read_intents(evidence.topics[INTENTS], partitions)
        self.interactions = read_interactions(evidence.topics[INTERACTIONS], partitions)
        self.letters = places_of_letters(evidence)
        self.laws = read_laws(evidence.topics[POLICIES], self.letters)
        self.law_of = {(law.enterprise, law.version): law for law in self.laws}
        self.asks, self.asked, never = read_asks(self.intents, evidence.topics[CANDIDATES])
        self.report.add("lost", (f"{key} never left the account stage" for key in never))
        self.decided = self._decided()
        self.known: dict[bytes, Known] = {}

    def run(self) -> Report:
        report, evidence = self.report, self.evidence
        for inputs in (self.intents, self.interactions):
            report.add("lost", lost_strays(inputs))
        report.add("dead letters", faults_of_letters(evidence, self.intents, self.interactions))
        for key in self.asks.keys() | self.decided.keys():
            self._chain(key)
        self._approved()
        self._justified()
        report.add("over cap", over_caps(self.known, self.laws))
        report.add("over cap", over_adds(self.known, self.laws))
        report.add("over cap", over_pace(evidence, self.decided, self.laws))
        held = self._held()
        report.add(
            "state",
            faults_of_states(evidence, self.known, sum(self.asked.values()), held, self.laws),
        )
        self._count(held)
        return report

    # --- nothing lost, nothing doubled ---------------------------------------------------------

    def _decided(self) -> dict[AskKey, list[tuple[Seen, dict[str, Any]]]]:
        decided: dict[AskKey, list[tuple[Seen, dict[str, Any]]]] = defaultdict(list)
        for record in self.evidence.topics[DECISIONS]:
            data = orjson.loads(record.value or b"{}")["data"]
            names = ("enterprise_id", "intent_source", "intent_id", "customer_id")
            decided[tuple(data[name] for name in names)].append((record, data))
            self._stands(record, data["enterprise_id"], data["customer_id"], DECISIONS)
        return decided

    def _stands(self, record: Seen, enterprise: str, name: str, topic: str) -> None:
        key = f"{enterprise}/{name}".encode()
        if record.key != key or record.partition != place_of(key, self.evidence.partitions):
            where = f"{topic} {record.partition} {record.offset}"
            self.report.add("misplaced", [f"{where} belongs to {key.decode()}"])

    def _chain(self, key: AskKey) -> None:
        add, asked = self.report.add, self.asked[key]
        words = [data["outcome"] for _, data in self.decided.get(key, ())]
        if not asked:
            add("invented", [f"{key} was decided and never asked"])
            return
        if not words:
            add("lost", [f"{key} was asked and never decided"])
            return
        repeats, own = words.count("duplicate"), _own(self.decided[key], asked - 1)
        first = self.decided[key][0][1]
        too_soon = (first["outcome"], first["stage"]) == ("duplicate", "customer")
        if too_soon or repeats != asked - 1:
            add("doubled" if repeats > asked - 1 else "lost", [f"{key} asked {asked}×: {words}"])
        finals = [word for word in own if word in FINAL]
        if len(finals) > 1 or (finals and own[-1] not in FINAL):
            add("doubled", [f"{key} got more than one last word: {words}"])
        if len({data["decision_id"] for _, data in self.decided[key]}) != 1:
            add("doubled", [f"{key} has more than one decision id"])

    def _approved(self) -> None:
        promised = self._promises()
        found: Counter[tuple[Any, ...]] = Counter()
        for topic in APPROVED:
            for record in self.evidence.topics[topic]:
                data = orjson.loads(record.value or b"{}")["data"]
                self._stands(record, data["enterprise_id"], data["account_id"], topic)
                found[(topic, *_promise(data))] += 1
        self.report.add("lost", (f"approved and not sent on: {p}" for p in (promised - found)))
        self.report.add("invented", (f"sent on and not approved: {p}" for p in (found - promised)))

    def _promises(self) -> Counter[tuple[Any, ...]]:
        return Counter(
            (f"approved.{data['kind'].replace('_', '-')}", *_promise(data))
            for said in self.decided.values()
            for _, data in said
            if data["outcome"] == "approved"
        )

    # --- nothing unjustified -------------------------------------------------------------------

    def _justified(self) -> None:
        clockwork = Clockwork(self.evidence)
        heard: dict[bytes, list[Standing]] = defaultdict(list)
        for standing in self.interactions.standing:
            heard[standing.record.key or b""].append(standing)
        for key, said in self._by_customer().items():
            replay = Replay(heard[key], clockwork)
            for number, one in enumerate(said):
                fault = replay.judge(one, number)
                if fault is not None:
                    self.report.add("unjustified", [_sentence(one, fault)])
            self.known[key] = replay.end()

    def _by_customer(self) -> dict[bytes, list[Said]]:
        found: dict[bytes, list[Said]] = defaultdict(list)
        ordered = [
            (record, data, key)
            for key, said in self.decided.items()
            for record, data in said
            if data["outcome"] != "duplicate" and key in self.asks
        ]
        for record, data, key in sorted(ordered, key=lambda one: one[0][:2]):
            law = self._law(data)
            if law is None:
                continue
            said = Said(record, data, self.asks[key], law)
            if data["stage"] == "account" and data["outcome"] != "expired":
                fault = fault_of_account(said.ask, law, data)
                self.report.add("unjustified", [_sentence(said, fault)] if fault else [])
            else:
                found[record.key or b""].append(said)
        return found

    def _law(self, data: dict[str, Any]) -> Law | None:
        enterprise, version = data["enterprise_id"], data["policy_version"]
        allowed = in_force(self.laws, enterprise, data["decided_at_ms"])
        if version not in allowed:
            why = f"{data['decision_id']} rests on version {version}, in force are {allowed}"
            self.report.add("unjustified", [why])
        return self.law_of.get((enterprise, version))

    # --- what is counted -----------------------------------------------------------------------

    def _held(self) -> int:
        """How many have no last word yet."""
        last = [[d["outcome"] for _, d in said] for said in self.decided.values()]
        return sum(not FINAL.intersection(words) for words in last)

    def _count(self, held: int) -> None:
        counts = self.report.counts
        counts["intents"] = len(self.intents.standing)
        counts["asked"] = sum(self.asked.values())
        counts["decided"] = len(self.decided)
        counts["held"] = held
        counts["repeats"] = sum(self.asked.values()) - len(self.asked)
        counts["interactions"] = len(self.interactions.standing)
        counts["strays"] = len(self.intents.strays) + len(self.interactions.strays)
        counts["dead letters"] = len(self.evidence.topics[DEAD_LETTERS])
        counts["aborted"] = self.evidence.aborted
        for said in self.decided.values():
            counts.update(f"{data['outcome']} {data['reason']}" for _, data in said)


def _own(said: Iterable[tuple[Seen, dict[str, Any]]], repeats: int) -> list[str]:
    """What was said of an ask itself. Its account, which does not know whether the ask has ended,
    may say once of each repeat that it waits.
    """
    words = [data for _, data in said if data["outcome"] != "duplicate"]
    while repeats and words and (words[-1]["outcome"], words[-1]["stage"]) == _IN_QUEUE:
        words.pop()
        repeats -= 1
    return [data["outcome"] for data in words]


def _promise(data: dict[str, Any]) -> tuple[Any, ...]:
    """What a decision and its message must say alike."""
    names = ("decision_id", "intent_id", "enterprise_id", "account_id", "customer_id", "kind")
    return *(data[name] for name in names), data["decided_at_ms"], data["send_by_ms"]


def _sentence(said: Said, fault: str) -> str:
    data = said.data
    where = f"decisions {said.record.partition} {said.record.offset}"
    what = " ".join(str(data.get(name)) for name in ("outcome", "reason", "rule", "kind"))
    return f"{where} {data['customer_id']} at {data['decided_at_ms']}: {what}: {fault}"
