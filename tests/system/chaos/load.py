"""A stream of everything that may come in, and the policy it constantly runs into.

Few customers, many accounts and short windows, so that within a minute each customer meets every
cap, is held, released, expired and called upon. `Load` makes records and is told of approved
messages, about which it then sends receipts: most on time, some late, failed, twice, or in an order
that makes no sense. It never waits and reads no clock; the same seed makes the same stream.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from streams.topics import INTENTS, INTERACTIONS
from tests.flows import events
from tests.properties.accounts import plot
from tests.system.chaos.inputs import place_of
from tests.system.chaos.laws import OUT_OF_REACH

if TYPE_CHECKING:
    from random import Random

ENTERPRISE: Final = plot.ENTERPRISE
RUDE: Final = plot.ACCOUNTS[1:]
"""Accounts whose messages people complain of, so that the brake has something to do."""
HURTS: Final = [["complained"]] * 2 + [["complained", "blocked"], ["consent", "complained"]]
"""What is said of one message, at once."""
SEASON_MS: Final = 20_000
"""New campaigns come all the time, for one that is released fully is none any more."""
KINDS: Final = ["direct", "broadcast", "moment", "friend_request", "reply", "transactional"]
KIND_WEIGHTS: Final = [40, 20, 15, 5, 10, 10]


def _window(
    name: str, kinds: list[str] | str, scope: str, limit: int, rolling: str, **more: Any
) -> dict[str, Any]:
    return {"id": name, "kinds": kinds, "scope": scope, "limit": limit, "rolling": rolling} | more


WINDOWS: Final = [
    _window("two-20s", "marketing", "enterprise", 2, "20s", min_gap="3s"),
    _window("five-2m", "marketing", "enterprise", 5, "2m", reserve={"slots": 1, "priority": 80}),
    _window("ours", ["moment"], "account", 1, "15s"),
    _window("spring", ["moment"], "campaign", 2, "40s"),
    _window("notices", ["transactional"], "enterprise", 3, "10s"),
    _window("adds", ["friend_request"], "enterprise", 1, "30s"),
]
POLICY: Final[dict[str, Any]] = {
    "groups": {"marketing": ["direct", "broadcast"]},
    "windows": WINDOWS,
    "reply": {"credits": 2, "within": "30s"},
    "suppression": {"kinds": ["direct", "moment"], "account": "20s", "enterprise": "5s"},
    "consent": {"ask_first": []},
    "validity": {
        "direct": "3s",
        "broadcast": "5s",
        "moment": "4s",
        "friend_request": "5s",
        "reply": "10s",
        "transactional": "2s",
    },
    "deadline": {"default": "8s", "moment": "7s"},
    "max_held": 5,
    "pacing": {"kinds": ["broadcast", "moment"], "burst": "2s"}
    | dict.fromkeys(("new", "green", "amber", "red"), "2/s"),
    "ceilings": {
        "relations": dict.fromkeys(("start", "step", "floor", "max", "enterprise"), OUT_OF_REACH),
        "daily_adds": {"start": 8, "step": 1, "floor": 1, "max": 8},
        "rise": {"every": "24h", "used": "50%", "within": "7d"},
        "fall": {"factor": 0.5, "cool_down": "24h", "off_after": 3},
        "idle": {"used": "25%", "within": "30d"},
    },
    "reputation": plot.REPUTATION,
    "canary": {
        "kinds": ["moment"],
        "steps": ["20%", "50%", "100%"],
        "hold": "3s",
        "from_size": 10,
    },
    "brake": plot.BRAKE | {"pauses": ["3s", "6s", "9s"]},
}
FASTER: Final = _window("two-20s", "marketing", "enterprise", 3, "20s", min_gap="2s")
LOOSER: Final[dict[str, Any]] = POLICY | {"windows": [FASTER, *WINDOWS[1:]]}
"""The second version: what one worker decides by, all must decide by from the same moment on."""

POISON: Final[list[bytes | None]] = [
    b"",
    b"\xff\xfe",
    b'{"specversion": "1.0", ',
    b'{"specversion":"1.0","id":"x","source":"s","type":"weather.v1","data":{}}',
    b'{"specversion":"1.0","id":"x","source":"s","type":"decorum.intent.v1","data":{"kind":1}}',
    b'{"specversion":"1.0","id":"x","source":"s","type":"decorum.delivered.v1","data":{}}',
    None,
]


class Put(NamedTuple):
    """A record to write; without a partition, where its key belongs."""

    topic: str
    key: bytes | None
    value: bytes | None
    partition: int | None = None


@dataclass
class Load:
    """Makes records out of a seed."""

    random: Random
    partitions: int
    customers: int = 300
    accounts: int = 60
    made: int = 0
    _recent: deque[Put] = field(default_factory=lambda: deque(maxlen=500))
    _receipts: list[tuple[int, int, Put]] = field(default_factory=list)

    def next(self, now_ms: int) -> Put:
        """The next record; receipts that are due go first."""
        self.made += 1
        if self._receipts and self._receipts[0][0] <= now_ms:
            return self._perhaps_astray(heapq.heappop(self._receipts)[2])
        dice = self.random.random()
        if dice < 0.01:
            topic = self.random.choice([INTENTS, INTERACTIONS])
            return Put(topic, b"acme/poison", self.random.choice(POISON))
        if dice < 0.05 and self._recent:
            return self.random.choice(self._recent)
        put = self._perhaps_astray(
            self._intent(now_ms) if dice < 0.85 else self._interaction(now_ms)
        )
        self._recent.append(put)
        return put

    def approved(self, value: bytes, now_ms: int) -> None:
        """Hear of an approved message: plan what its sender will report."""
        data = orjson.loads(value)["data"]
        lasts_ms = data["send_by_ms"] - now_ms
        dice = self.random.random()
        whens = {"delivered": now_ms + self.random.randint(0, max(1, lasts_ms))}
        if dice < 0.2:
            return
        if dice < 0.35:
            whens = {"failed": whens["delivered"]}
        elif dice < 0.4:
            whens["failed"] = whens["delivered"] + self.random.randint(-500, 500)
        elif dice < 0.42:
            whens["delivered"] = data["send_by_ms"] + 500
        if "delivered" in whens and data["account_id"] in RUDE and self.random.random() < 0.4:
            whens |= dict.fromkeys(self.random.choice(HURTS), whens["delivered"])
        for what, at_ms in whens.items():
            for _ in range(1 + (self.random.random() < 0.1)):
                self._plan(what, at_ms, data)

    def _plan(self, what: str, at_ms: int, data: dict[str, Any]) -> None:
        body = {name: data[name] for name in ("enterprise_id", "account_id", "customer_id")}
        body["occurred_at_ms"] = at_ms
        if what in {"delivered", "failed"}:
            body["decision_id"] = data["decision_id"]
        else:
            body |= self._about(data)
        if what == "failed":
            body["reason"] = "not_sent"
        if what == "consent":
            body |= {"allowed": False, "kinds": ["moment"]}
        value = events.event(f"{what}-{data['decision_id']}", what, body, "sender")
        put = Put(INTERACTIONS, events.key(ENTERPRISE, data["customer_id"]), value)
        late_ms = at_ms + self.random.randint(0, 2_000)
        heapq.heappush(self._receipts, (late_ms, self.random.getrandbits(32), put))

    def _about(self, data: dict[str, Any]) -> dict[str, str]:
        """Feedback names its message, whoever tells it; or none, or one that nobody knows."""
        dice = self.random.random()
        if dice < 0.4:
            return {}
        if dice < 0.45:
            return {"decision_id": "0" * 32}
        teller = self.random.choice(plot.ACCOUNTS) if dice < 0.7 else data["account_id"]
        return {"decision_id": data["decision_id"], "account_id": teller}

    def _intent(self, now_ms: int) -> Put:
        kind = self.random.choices(KINDS, KIND_WEIGHTS)[0]
        more: dict[str, Any] = {"priority": self.random.choice([10, 50, 50, 90])}
        if kind in {"broadcast", "moment"}:
            season = self.random.choice(["spring", "autumn"])
            more["campaign_id"] = f"{season}-{now_ms // SEASON_MS}"
        if self.random.random() < 0.4:
            more["if_not_now"] = "deny"
        if self.random.random() < 0.3:
            more["deadline_ms"] = now_ms + self.random.randint(-500, 9_000)
        if self.random.random() < 0.05:
            more["not_before_ms"] = now_ms + self.random.randint(0, 5_000)
        account = self._account()
        names = self.random.choices(range(self.customers), k=self.random.choice([1, 1, 1, 2, 3]))
        customers = [f"c{name}" for name in names]
        value = events.intent(f"i{self.made}", ENTERPRISE, account, customers, kind, **more)
        return Put(INTENTS, events.key(ENTERPRISE, account), value)

    def _interaction(self, now_ms: int) -> Put:
        customer = f"c{self.random.randrange(self.customers)}"
        what = self.random.choices(
            ["message_received", "engaged", "complained", "consent"], [75, 8, 3, 14]
        )[0]
        data = {
            "enterprise_id": ENTERPRISE,
            "customer_id": customer,
            "occurred_at_ms": now_ms - self.random.choice([0, 0, 1_000]),
        }
        if what != "consent":  # taken back to an account it would count against it
            data["account_id"] = self._account()
        if what == "engaged":
            data["action"] = "click"
        if what == "consent":
            data["allowed"] = self.random.random() < 0.7
            data["kinds"] = self.random.choice([["direct"], ["moment", "transactional"]])
        value = events.event(f"x{self.made}", what, data)
        return Put(INTERACTIONS, events.key(ENTERPRISE, customer), value)

    def _account(self) -> str:
        # A few accounts write most of what is written, so that replies meet open credits.
        # These have the names of those whose figures the audit recounts.
        number = int(self.random.random() ** 3 * self.accounts)
        return plot.ACCOUNTS[number] if number < len(plot.ACCOUNTS) else f"a{number}"

    def _perhaps_astray(self, put: Put) -> Put:
        """Now and then a producer sets no key, another one's, or the wrong partition."""
        dice = self.random.random()
        if dice < 0.01:
            return put._replace(key=None, partition=self.random.randrange(self.partitions))
        if dice < 0.02:
            return put._replace(key=b"somebody/else")
        if dice < 0.03 and put.key is not None:
            wrong = (place_of(put.key, self.partitions) + 1) % self.partitions
            return put._replace(partition=wrong)
        return put


def policy_event(version: int, document: dict[str, Any], effective_at: str | None = None) -> Put:
    """A version of the policy above, as a record of `policies`."""
    body = events.policy(ENTERPRISE, version, **document)
    if effective_at is not None:
        body["effective_at"] = effective_at
    name = f"{ENTERPRISE}/{version}"
    return Put("policies", name.encode(), events.event(name, "policy", body))
