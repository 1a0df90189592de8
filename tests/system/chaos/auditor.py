"""The audit: from the topics alone, whether what Decorum promises was kept. It can fail.

What is proven from outside, for everything that was on the topics when they were read:

- *Nothing is lost or doubled.* Each accepted intent and customer has one first decision, as many
  `duplicate`s as it was repeated, and after `deferred` at most one final word; each refused record
  one dead letter that keeps it whole, and so each batch that nobody can read; each stray a copy
  where it belongs. No repeat is answered before the first, wherever that waits, and no two events
  have one id.
- *No transaction is torn*: of all that the wire showed of one, everything is committed or nothing;
  and approved messages are the approved decisions, one to one, each in its key's partition.
- *No cap is broken*: every window and gap, recounted from approved decisions and receipts alone;
  every account's adds of a day, and its pace, at the times at which it gave leave (`accounts`).
  Messages reported as sent after their `send_by_ms`, or as failed and then as sent, are the
  sender's breach and are left out of this count.
- *Nothing is wrongly approved, denied, deferred or expired*: each decision is what the rules demand
  of the customer's past, outcome, reason, earliest legal time and what remains. Where the
  interleaving of receipts and decisions is not told by the topics, one that explains them all
  suffices (see `customers`).
- *The brake holds*: no leave is given and nothing is approved under an account's pause, but what
  was on its way when it was put on (`brakes`).
- *Nobody is tried before their turn*, no campaign's share shrinks, and none that was killed goes on
  (`canary`).
- *What is told of accounts is so*: figures, and the chain of their changes (`figures`).
- *No clock goes back*, whatever the machines' do (see `clocks`).
- *The state is what the decisions say*: contacts, their times, what is held, and the balance.

What cannot be seen from outside: a held intent that was looked at again and found as before says
nothing; in which order what was due together was looked at; a stray forwarded twice, for its second
copy ends as a duplicate like any producer's repeat; a worker that names a reason which is true
while another one, true as well, would have come first; what an aborted transaction would have said;
and whether the clock of a machine was right.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, Final

import orjson

from streams.topics import (
    CANDIDATES,
    DECISIONS,
    INTENTS,
    INTERACTIONS,
    POLICIES,
)
from tests.system.chaos.accounts import leaves_used, over_adds
from tests.system.chaos.asks import read_asks
from tests.system.chaos.brakes import Brakes
from tests.system.chaos.canary import CAMPAIGNS, Campaigns
from tests.system.chaos.caps import over_caps
from tests.system.chaos.chains import APPROVED, FINAL, faults_of_chain, unlike
from tests.system.chaos.clocks import backward
from tests.system.chaos.customers import Clockwork, Replay, Said
from tests.system.chaos.figures import wrong_figures
from tests.system.chaos.inputs import lost_strays, place_of, read_intents, read_interactions
from tests.system.chaos.judge import fault_of_account
from tests.system.chaos.laws import in_force, read_laws
from tests.system.chaos.letters import faults_of_letters, places_of_letters, reasons_of_letters
from tests.system.chaos.pace import over_pace
from tests.system.chaos.report import Report
from tests.system.chaos.states import faults_of_states, unbalanced
from tests.system.chaos.wire import Place, torn

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.system.chaos.asks import AskKey
    from tests.system.chaos.evidence import Evidence, Seen
    from tests.system.chaos.inputs import Standing
    from tests.system.chaos.laws import Law
    from tests.system.chaos.referee import Known


def audit(evidence: Evidence) -> Report:
    """Read everything, judge everything. Raises Unjudged for a policy beyond the audit's rules."""
    return _Audit(evidence).run()


STOPPING: Final = {"campaign_paused"}
"""Reasons that customers' partitions give on an account's behalf."""


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
        self.brakes = Brakes(evidence)
        self.campaigns = Campaigns(evidence)

    def run(self) -> Report:
        report, evidence = self.report, self.evidence
        for inputs in (self.intents, self.interactions):
            report.add("lost", lost_strays(inputs))
        report.add("dead letters", faults_of_letters(evidence, self.intents, self.interactions))
        for key in self.asks.keys() | self.decided.keys():
            self._add_all(faults_of_chain(key, self.asked[key], self.decided.get(key, [])))
        self._add_all(unlike(evidence, self.decided))
        report.add("torn", torn(evidence.transactions, self._committed()))
        for topic in APPROVED:
            for record in evidence.topics[topic]:
                data = orjson.loads(record.value or b"{}")["data"]
                self._stands(record, data["enterprise_id"], data["account_id"], topic)
        self._justified()
        report.add("over cap", over_caps(self.known, self.laws))
        used = leaves_used(evidence, self.decided)
        report.add("over cap", over_adds(self.known, used, self.laws))
        report.add("over cap", over_pace(evidence, self.laws))
        report.add("clock back", backward(evidence))
        report.add("under a brake", self.brakes.faults(self.laws))
        report.add("before their turn", self.campaigns.faults(self.decided, self.laws))
        report.add("wrong figures", wrong_figures(evidence, self.intents, self.interactions))
        held = self._held()
        report.add(
            "state",
            faults_of_states(evidence, self.known, sum(self.asked.values()), held, self.laws),
        )
        self._count(held)
        return report

    def _committed(self) -> set[Place]:
        return {
            Place(topic, record.partition, record.offset)
            for topic, records in self.evidence.topics.items()
            for record in records
        }

    def _add_all(self, faults: Iterable[tuple[str, str]]) -> None:
        for kind, sentence in faults:
            self.report.add(kind, [sentence])

    def _decided(self) -> dict[AskKey, list[tuple[Seen, dict[str, Any]]]]:
        decided: dict[AskKey, list[tuple[Seen, dict[str, Any]]]] = defaultdict(list)
        ids = Counter[str]()
        for record in self.evidence.topics[DECISIONS]:
            event = orjson.loads(record.value or b"{}")
            data = event["data"]
            names = ("enterprise_id", "intent_source", "intent_id", "customer_id")
            decided[tuple(data[name] for name in names)].append((record, data))
            ids[event["id"]] += 1
            self._stands(record, data["enterprise_id"], data["customer_id"], DECISIONS)
        twice = (name for name, times in ids.items() if times > 1)
        self.report.add("doubled", (f"several decisions have the id {name}" for name in twice))
        return decided

    def _stands(self, record: Seen, enterprise: str, name: str, topic: str) -> None:
        key = f"{enterprise}/{name}".encode()
        if record.key != key or record.partition != place_of(key, self.evidence.partitions):
            where = f"{topic} {record.partition} {record.offset}"
            self.report.add("misplaced", [f"{where} belongs to {key.decode()}"])

    # --- nothing wrong -------------------------------------------------------------------------

    def _justified(self) -> None:
        clockwork = Clockwork(self.evidence)
        heard: dict[bytes, list[Standing]] = defaultdict(list)
        for standing in self.interactions.standing:
            heard[standing.record.key or b""].append(standing)
        for key, said in self._by_customer().items():
            replay = Replay(heard[key], clockwork, self.brakes)
            for number, one in enumerate(said):
                by_account = one.data["stage"] == "account" or one.data["reason"] in STOPPING
                if by_account and one.data["outcome"] != "expired":
                    self._wrongly(one, self._fault_of_account(one))
                    replay.follow(one, number)
                else:
                    self._wrongly(one, replay.judge(one, number))
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
            found[record.key or b""].append(Said(record, data, self.asks[key], law))
        return found

    def _fault_of_account(self, said: Said) -> str | None:
        if said.data["reason"] in CAMPAIGNS:
            return self.campaigns.fault(said)
        paused = self.brakes.covers(said.ask, said.data, said.record.timestamp)
        return fault_of_account(said.ask, said.law, said.data, paused=paused)

    def _wrongly(self, said: Said, fault: str | None) -> None:
        if fault is not None:
            self.report.add(f"wrongly {said.data['outcome']}", [_sentence(said, fault)])

    def _law(self, data: dict[str, Any]) -> Law | None:
        enterprise, version = data["enterprise_id"], data["policy_version"]
        allowed = in_force(self.laws, enterprise, data["decided_at_ms"])
        if version not in allowed:
            why = f"{data['decision_id']} rests on version {version}, in force are {allowed}"
            self.report.add(f"wrongly {data['outcome']}", [why])
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
        counts["brakes"] = len(self.brakes.pauses)
        counts["poison"] = len(self.intents.refused) + len(self.interactions.refused)
        counts.update(f"letter {reason}" for reason in reasons_of_letters(self.evidence))
        counts["unbalanced"] = unbalanced(self.evidence)
        counts["broken"] = len(self.evidence.broken)
        counts["transactions"] = len(self.evidence.transactions)
        counts["aborted"] = self.evidence.aborted
        for said in self.decided.values():
            counts.update(f"{data['outcome']} {data['reason']}" for _, data in said)


def _sentence(said: Said, fault: str) -> str:
    data = said.data
    where = f"decisions {said.record.partition} {said.record.offset}"
    what = " ".join(str(data.get(name)) for name in ("outcome", "reason", "rule", "kind"))
    return f"{where} {data['customer_id']} at {data['decided_at_ms']}: {what}: {fault}"
