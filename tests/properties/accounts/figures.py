"""Laws of what is told of an account: figures as anybody would count them, changes in one chain."""

from __future__ import annotations

from collections import Counter
from math import sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Final

from streams.topics import (
    ACCOUNT_LIMITS,
    CAMPAIGN_STATUS,
    INTERACTIONS,
    LIMIT_CHANGES,
    POLICIES,
)
from tests.properties.accounts.hurts import WEIGHTS, Hurts
from tests.properties.accounts.past import APPROVED
from tests.properties.accounts.plot import ACCOUNTS, SECOND_MS
from tests.properties.accounts.ties import Ties
from tests.properties.accounts.units import day_of, duration_ms, share

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.properties.accounts.past import Entry, Moment, Past

_HURTING: Final = {"complained": "complaint", "blocked": "block"}
_NO_MESSAGE: Final = {"friend_request", "transfer"}
_CLOSE: Final = 1e-9


def faults(past: Past) -> Iterator[str]:
    """What is told and is not so, at each rest."""
    recount = _Recount(past)
    rest = 0
    for entry in past.entries:
        while entry.moment[0] > rest:
            yield from recount.compare(rest)
            rest += 1
        recount.take(entry)
    yield from recount.compare(rest)
    yield from _chain(past)


class _Recount:
    """All accounts' counts, from interactions and approved messages alone."""

    def __init__(self, past: Past) -> None:
        self.past = past
        self.ties = Ties()
        self.hurts = Hurts()
        self.counts: Counter[tuple[str, str, int]] = Counter()
        """By account, what and time."""
        self.since_ms: dict[str, int] = {}
        self.word: dict[str, tuple[int, int]] = {}
        self.refused: dict[tuple[str, str], tuple[int, bool]] = {}
        """The newest word on each of a customer's kinds: when, and whether it was a no."""
        self.adds: list[dict[str, Any]] = []
        self.told: dict[str, dict[str, Any]] = {}
        self.campaigns: dict[str, dict[str, Any]] = {}
        self.policy: Entry | None = None
        self.doubted: set[str] = set()
        """Accounts that came back in the very moment in which something was told of them."""
        self.unsure: set[str | None] = set()
        """Campaigns of which only an engine whose clock is ahead can say whose complaint it was."""

    def take(self, entry: Entry) -> None:
        """One record."""
        if entry.topic == POLICIES:
            self.policy = entry
        elif entry.topic == ACCOUNT_LIMITS:
            self.told[entry.data["account_id"]] = entry.data
        elif entry.topic == CAMPAIGN_STATUS:
            self.campaigns[entry.key.partition("/")[2]] = entry.data
        elif entry.topic in APPROVED:
            self.ties.approved(entry.data)
            if entry.data["kind"] == "friend_request":
                self.adds.append(entry.data)
        elif entry.type == "account_status":
            self._status(entry)
        elif entry.topic == INTERACTIONS:
            self._heard(entry)

    def _status(self, entry: Entry) -> None:
        data = entry.data
        account, at_ms = data["account_id"], min(data["occurred_at_ms"], entry.at_ms)
        rank = ["active", "reinstated", "suspended", "resigned"].index(data["status"])
        known = self.word.get(account, (0, 0))
        self.word[account] = max(known, (at_ms, rank))
        if data["status"] == "reinstated" and known[0] <= at_ms != self.since_ms.get(account):
            self.since_ms[account] = at_ms
            for key in [k for k in self.counts if k[0] == account and k[2] <= at_ms]:
                del self.counts[key]
            if self.hurts.reinstated(account, at_ms) or self._is_crowded(entry.moment):
                self.doubted.add(account)

    def _is_crowded(self, moment: Moment) -> bool:
        return sum(e.moment == moment for e in self.past.of(INTERACTIONS)) > 1

    def _heard(self, entry: Entry) -> None:
        data, now_ms = entry.data, entry.at_ms
        message = self.ties.messages.get(data.get("decision_id", ""), {})
        if not self.ties.heard(entry):
            return
        if entry.type == "erase":
            self.hurts.erased(data["customer_id"])
            for key in [k for k in self.refused if k[0] == data["customer_id"]]:
                del self.refused[key]
        elif entry.type == "delivered" and message.get("kind") not in _NO_MESSAGE:
            at_ms = max(message["decided_at_ms"], min(data["occurred_at_ms"], now_ms))
            self._count(message["account_id"], "delivered", at_ms)
        elif entry.type == "message_received":
            self._count(data["account_id"], "received", min(data["occurred_at_ms"], now_ms))
        elif entry.type in _HURTING or entry.type == "consent":
            at_ms = min(data["occurred_at_ms"], now_ms)
            if entry.type == "consent" and not self._took_back(data, at_ms):
                return
            what = _HURTING.get(entry.type, "opt_out")
            self.unsure |= self.hurts.unsure(data, at_ms, self.ties.messages)
            self.hurts.heard(what, data, at_ms, self.ties.messages)

    def _took_back(self, data: dict[str, Any], at_ms: int) -> bool:
        """Whether it is a no to what was allowed: an older word than the known one changes none."""
        every = ["direct", "broadcast", "moment", "friend_request", "reply", "transactional"]
        kinds, took_back = data.get("kinds", "all"), False
        for kind in [*every, "transfer"] if kinds == "all" else kinds:
            key = data["customer_id"], kind
            known, told = self.refused.get(key, (0, False)), (at_ms, not data["allowed"])
            if known < told:
                took_back |= told[1] and not known[1]
                self.refused[key] = told
        return took_back

    def _count(self, account: str, what: str, at_ms: int) -> None:
        self.counts[account, what, at_ms] += 1

    # --- what should be told ----------------------------------------------------------------------

    def compare(self, rest: int) -> Iterator[str]:
        """What is told of each account, as far as it was told by the policy in force."""
        if self.policy is None or rest >= len(self.past.rests):
            return
        now_ms = self.past.rests[rest][1]
        fresh = now_ms - self.policy.at_ms < SECOND_MS
        yield from self._of_campaigns(rest)
        for account in ACCOUNTS:
            told = self.told.get(account)
            if told is None:
                if self.ties.relations(account):
                    yield f"{account}: holds relations, nothing is told of it, rest {rest}"
                continue
            if told["policy_version"] != self.policy.data["version"]:
                if not fresh:
                    yield f"{account}: told by policy {told['policy_version']} at rest {rest}"
                continue
            for what, right in self._right(account, now_ms):
                if not _alike(told.get(what), right):
                    yield (
                        f"{account}: {what} {told.get(what)} is told, it is {right},"
                        f" rest {rest} at {now_ms}"
                    )

    def _of_campaigns(self, rest: int) -> Iterator[str]:
        for campaign, told in self.campaigns.items():
            right = self.hurts.of_campaign(campaign, WEIGHTS)
            if told and campaign not in self.unsure and not _alike(told["complaints"], right):
                said = f"complaints {told['complaints']} are told, it is {right}"
                yield f"campaign {campaign}: {said}, rest {rest}"

    def _right(self, account: str, now_ms: int) -> Iterator[tuple[str, float | None]]:
        policy = self.policy.data if self.policy else {}
        yield "relations", self.ties.relations(account)
        yield "adds_today", self._adds(account, policy, now_ms)
        reputation = policy.get("reputation")
        if reputation is None or account in self.doubted:
            return
        red, green = reputation["red"], reputation["green"]
        delivered, hurt = self._sums(account, reputation, red["over"], now_ms)
        yield "delivered", delivered
        yield "complaints", hurt
        yield "complaint_rate", min(1.0, hurt / delivered) if delivered else 0.0
        yield "complaint_rate_low", _wilson(hurt, delivered, red["confidence"])[0]
        delivered, hurt = self._sums(account, reputation, green["over"], now_ms)
        yield "complaint_rate_high", _wilson(hurt, delivered, green["confidence"])[1]
        received = self._sum(account, "received", green["over"], now_ms)
        yield "reply_rate", received / delivered if delivered else 0.0

    def _adds(self, account: str, policy: dict[str, Any], now_ms: int) -> int:
        return sum(
            data["account_id"] == account
            and day_of(policy, data["decided_at_ms"]) == day_of(policy, now_ms)
            and data["decision_id"] not in self.ties.failed
            for data in self.adds
        )

    def _sums(
        self, account: str, reputation: dict[str, Any], over: str, now_ms: int
    ) -> tuple[int, float]:
        weights = reputation["weights"]
        hurt = sum(
            weights[what] * self._sum(account, what, over, now_ms)
            for what in ("complaint", "block", "opt_out")
        )
        return self._sum(account, "delivered", over, now_ms), hurt

    def _sum(self, account: str, what: str, over: str, now_ms: int) -> int:
        return sum(
            count
            for counted, at_ms, count in self._counted(account)
            if counted == what and self._is_within(account, at_ms, over, now_ms)
        )

    def _counted(self, account: str) -> Iterator[tuple[str, int, int]]:
        yield from ((what, at, n) for (a, what, at), n in self.counts.items() if a == account)
        yield from ((what, at, 1) for what, at in self.hurts.counted(account))

    def _is_within(self, account: str, at_ms: int, over: str, now_ms: int) -> bool:
        """In buckets of a twentieth of the shorter window; nothing from before coming back."""
        reputation = self.policy.data["reputation"] if self.policy else {}
        width_ms = min(duration_ms(reputation[g]["over"]) for g in ("red", "green")) // 20
        is_new = at_ms >= self.since_ms.get(account, 0)
        return is_new and at_ms // width_ms * width_ms + width_ms > now_ms - duration_ms(over)


def _wilson(hits: float, trials: int, confidence: str) -> tuple[float, float]:
    """Wilson's one-sided bounds; everything is possible where nothing was tried."""
    if not trials:
        return 0.0, 1.0
    z, p = NormalDist().inv_cdf(share(confidence)), min(1.0, hits / trials)
    middle, scale = p + z * z / (2 * trials), 1 + z * z / trials
    spread = z * sqrt(p * (1 - p) / trials + z * z / (4 * trials * trials))
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)


def _alike(told: float | None, right: float | None) -> bool:
    if told is None or right is None:
        return told is right
    return abs(told - right) < _CLOSE


# --- changes --------------------------------------------------------------------------------------


def _chain(past: Past) -> Iterator[str]:
    """Each change begins where the last one of its kind ended, and does what its reason says."""
    last: dict[tuple[str, str], Entry] = {}
    for entry in past.of(LIMIT_CHANGES):
        data, key = entry.data, (entry.key, entry.data["what"])
        before = last.get(key)
        said = f"{entry.key}: {data['what']} {data['before']} -> {data['after']} at {entry.moment}"
        if before is None:
            begins = {"grade": "new", "pause": 0, "status": "active"}.get(data["what"])
            if begins is not None and data["before"] != begins:
                yield f"{said}, and was {begins}"
        elif data["before"] != before.data["after"] and not (
            data["what"].endswith("_ceiling")
            and before.data["policy_version"] != data["policy_version"]
        ):
            yield f"{said}, and was {before.data['after']}"
        if data["before"] == data["after"]:
            yield f"{said} is none"
        if data["what"].endswith("_ceiling"):
            yield from _moved(past, entry.moment, data, said)
        last[key] = entry


def _moved(past: Past, moment: Moment, data: dict[str, Any], said: str) -> Iterator[str]:
    name = "relations" if data["what"] == "relations_ceiling" else "daily_adds"
    right = set()
    for section in past.sections("ceilings", moment):
        limits, before = section[name], data["before"]
        right |= {
            "red": {max(limits["floor"], int(before * section["fall"]["factor"]))},
            "green_used": {min(limits["max"], before + limits["step"])},
            "idle": {max(limits["start"], before - limits["step"])},
        }[data["reason"]]
    if data["after"] not in right:
        yield f"{said} for {data['reason']}, and should go to {right}"
