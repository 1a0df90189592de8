"""What may happen to an enterprise's accounts: a plot of steps out of a seed, and its policy.

Everything is small, so that within forty steps an account meets its ceilings, its pace, its brake
and its campaigns' stages. A step stands on its own feet: leave any out, and the rest can still be
played (`shrink`). Rules of this file: no step knows what came of another.
"""

from __future__ import annotations

from random import Random
from typing import Any, Final

Step = tuple[Any, ...]
Sections = dict[str, Any]

ENTERPRISE: Final = "acme"
ACCOUNTS: Final = ["xiaoer", "wang", "li"]
CUSTOMERS: Final = [f"c{number}" for number in range(14)]
CAMPAIGNS: Final = ["spring", "autumn"]
SECOND_MS: Final = 1_000
MINUTE_MS: Final = 60 * SECOND_MS
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS
MOVES_MS: Final = [1, 20, 700, 3_000, 20_000, 31 * MINUTE_MS, 2 * HOUR_MS, 7 * HOUR_MS, DAY_MS]
KINDS: Final = ["broadcast", "moment", "friend_request", "direct", "transfer", "transactional"]
KIND_WEIGHTS: Final = [35, 15, 25, 10, 8, 4]
PRIORITIES: Final = [20, 50, 50, 80]

REPUTATION: Final = {
    "weights": {"complaint": 1, "block": 1, "opt_out": 0.5},
    "red": {"above": "10%", "over": "2d", "from": 5, "confidence": "80%"},
    "green": {"below": "8%", "over": "4d", "from": 10, "confidence": "80%"},
    "hold": "3h",
}
CEILINGS: Final = {
    "relations": {"start": 4, "step": 2, "floor": 2, "max": 8, "enterprise": 9},
    "daily_adds": {"start": 3, "step": 1, "floor": 1, "max": 5},
    "rise": {"every": "12h", "used": "50%", "within": "2d"},
    "fall": {"factor": 0.5, "cool_down": "6h", "off_after": 2},
    "idle": {"used": "25%", "within": "3d"},
}
BRAKE: Final = {
    "kinds": ["direct", "broadcast", "moment"],
    "normal": "1%",
    "burst": "20%",
    "false_alarm": "0.1%",
    "pauses": ["1h", "3h", "off"],
}
PACING: Final = {
    "kinds": ["broadcast", "moment"],
    "new": "1/s",
    "green": "2/s",
    "amber": "30/m",
    "red": "0/s",
    "burst": "3s",
}
CANARY: Final = {
    "kinds": ["broadcast", "moment"],
    "steps": ["20%", "50%", "100%"],
    "hold": "30m",
    "from_size": 10,
}
WINDOWS: Final = [
    {
        "id": "two",
        "kinds": ["direct", "broadcast"],
        "scope": "enterprise",
        "limit": 2,
        "rolling": "12h",
        "reserve": {"slots": 1, "priority": 80},
    },
    {"id": "adds", "kinds": ["friend_request"], "scope": "account", "limit": 1, "rolling": "2d"},
]
ALWAYS: Final = {
    "remember": "30d",
    "deadline": {"default": "10h", "broadcast": "2d"},
    "suppression": {
        "kinds": ["direct", "broadcast", "moment"],
        "account": "2h",
        "enterprise": "1h",
    },
}
OTHERS: Final[dict[str, list[Any]]] = {
    "brake": [BRAKE, BRAKE, None],
    "pacing": [PACING, PACING, PACING | {"new": "3/s", "burst": "10s"}, None],
    "canary": [CANARY, CANARY, CANARY | {"hold": "2h", "from_size": 16}, None],
    "windows": [WINDOWS, WINDOWS[1:], []],
    "quiet_hours": [
        None,
        {"kinds": ["broadcast", "friend_request"], "from": "21:30", "to": "08:30"},
    ],
    "max_held": [20, 3],
}
"""What a policy may say otherwise from one version to the next."""


class Plot:
    """Makes steps out of a seed; the numbers in them name intents and events."""

    def __init__(self, seed: int) -> None:
        self.dice = Random(seed)
        self.lasting = {
            "time_zone": self.dice.choice(["UTC", "Asia/Shanghai"]),
            "reputation": self.dice.choice([REPUTATION, REPUTATION, None]),
            "ceilings": self.dice.choice([CEILINGS, CEILINGS, None]),
        }
        self.number = 0
        self.made: list[Step] = []

    def steps(self, count: int) -> list[Step]:
        """A policy first, then so many steps."""
        return [self._policy(), *(self._step() for _ in range(count))]

    def _step(self) -> Step:
        makers = [self._ask, self._move, self._receipts, self._hear, self._again]
        makers += [self._together, self._status, self._control, self._policy]
        step: Step = self.dice.choices(makers, [30, 22, 14, 10, 5, 8, 3, 5, 3])[0]()
        return step

    def _next(self) -> int:
        self.number += 1
        return self.number

    def _ask(self) -> Step:
        dice, kind = self.dice, self.dice.choices(KINDS, KIND_WEIGHTS)[0]
        account = dice.choice(ACCOUNTS)
        more: dict[str, Any] = {}
        if kind in {"broadcast", "moment"} and dice.random() < 0.7:
            more["campaign_id"] = dice.choice(CAMPAIGNS)
            size = dice.choice([None, 4, 4, 4] + [14] * 6)
            more |= {} if size is None else {"campaign_size": size}
        more["priority"] = dice.choice(PRIORITIES)
        if kind == "transfer":
            more["to_account_id"] = dice.choice([name for name in ACCOUNTS if name != account])
        more |= dice.choice([{}, {}, {}, {"if_not_now": "deny"}])
        times: dict[str, int] = {}
        if dice.random() < 0.25:
            times["deadline_ms"] = dice.choice(MOVES_MS)
        if dice.random() < 0.15:
            late_ms = times.get("deadline_ms", DAY_MS)
            times["not_before_ms"] = min(dice.choice(MOVES_MS), late_ms)
        chosen = tuple(dice.sample(CUSTOMERS, dice.choice([1, 2, 5, 9])))
        return self._kept(("ask", self._next(), account, kind, chosen, more, times))

    def _hear(self) -> Step:
        dice = self.dice
        account, other = dice.sample(ACCOUNTS, 2)
        what, more = dice.choice(
            [
                *[("friend_added", {"initiated_by": "customer"})] * 4,
                ("friend_removed", {}),
                ("friend_refused", {}),
                ("blocked", {}),
                *[("complained", {})] * 2,
                ("complained", {"decision_id": "0" * 32}),
                ("message_received", {}),
                ("engaged", {"action": "view"}),
                ("consent", {"allowed": False, "kinds": ["moment"]}),
                ("consent", {"allowed": True}),
                ("transferred", {"to_account_id": other}),
                ("erase", {}),
            ]
        )
        return self._kept(("hear", self._next(), what, dice.choice(CUSTOMERS), account, more))

    def _kept(self, step: Step) -> Step:
        self.made.append(step)
        return step

    def _again(self) -> Step:
        """A producer's retry: byte by byte, or in another batch, by another account as well."""
        dice = self.dice
        asks = [step for step in self.made if step[0] == "ask" and step[3] != "transfer"]
        if asks and dice.random() < 0.5:
            _, number, account, _, customers, *_ = dice.choice(asks)
            others = dice.sample(CUSTOMERS, dice.choice([0, 3]))
            mixed = dice.sample([*customers, *others], len(customers) + len(others))
            return "rebatch", number, dice.choice([account, *ACCOUNTS]), tuple(mixed)
        return dice.choice(self.made) if self.made else self._ask()

    def _receipts(self) -> Step:
        dice = self.dice
        return (
            "receipts",
            self._next(),
            dice.choice([0.0, 0.8, 1.0, 1.0]),
            dice.choice([0, 0, 0.1, 0.5, 0.9]),
        )

    def _move(self) -> Step:
        return "move", self.dice.choice(MOVES_MS)

    def _together(self) -> Step:
        makers = [self._ask, self._hear, self._receipts, self._status]
        weights = [6, 3, 2, 1]
        steps = [self.dice.choices(makers, weights)[0]() for _ in range(self.dice.choice([2, 4]))]
        return "together", steps

    def _status(self) -> Step:
        word = self.dice.choice(["active", "resigned", "suspended", "reinstated", "reinstated"])
        return "status", self._next(), self.dice.choice(ACCOUNTS), word

    def _control(self) -> Step:
        dice = self.dice
        scopes = ["*", ENTERPRISE, f"{ENTERPRISE}/kind/broadcast", f"{ENTERPRISE}/campaign/spring"]
        scope = dice.choice([*scopes, f"{ENTERPRISE}/account/{dice.choice(ACCOUNTS)}"])
        lasts_ms = dice.choice([None, 20 * SECOND_MS, HOUR_MS])
        action = dice.choice(["pause", "brake", "brake", "resume", "resume"])
        return "control", self._next(), action, scope, lasts_ms

    def _policy(self) -> Step:
        sections = ALWAYS | self.lasting
        sections |= {name: self.dice.choice(choice) for name, choice in OTHERS.items()}
        written = {name: section for name, section in sections.items() if section is not None}
        return "policy", self._next(), written
