"""An account's life under the packaged policy: months of facts through the book, as a stage would.

Whatever the account may use, it uses four fifths of: so ceilings rise when the law lets them. It
sends as ever while it is red, though the policy's pacing would slow it: that is the harder case for
the law. It sends nothing while the brake has stopped it.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final, NamedTuple

from streams.core.account import account as books
from streams.core.account.brake import BAG_MS
from streams.core.account.facts import Facts
from streams.core.account.rules import account_rules_of
from streams.core.account.state import load
from streams.policy.files import packaged
from tests.properties.simulate.audience import (
    DAY,
    HOUR,
    START,
    Post,
    complaints,
    facts_of,
    sendings,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streams.core.account.limits import Change
    from tests.properties.simulate.audience import Audience

LAW: Final = account_rules_of(packaged()[1])
USED: Final = 0.8


class Told(NamedTuple):
    """A change, and on which day of the life it came (0: the first)."""

    day: float
    change: Change


class Life:
    """One account, one audience, one seed. `step_ms`: how often a batch reaches the book."""

    def __init__(self, audience: Audience, seed: int, step_ms: int = BAG_MS) -> None:
        self.book = load(None)
        self.told: list[Told] = []
        self.audience = audience
        self._chance = random.Random(seed)
        self._post = Post()
        self._step_ms = step_ms
        self._now_ms = START

    def live(self, days: int) -> Life:
        for _ in range(days):
            self._day()
        return self

    def _day(self) -> None:
        day_ms = self._now_ms
        self._use()
        plan = sendings(self._chance, self.audience)
        while self._now_ms < day_ms + DAY:
            self._batch({h: n for h, n in plan.items() if self._covers(h, day_ms)}, day_ms)

    def _covers(self, hour: int, day_ms: int) -> bool:
        return self._now_ms <= day_ms + hour * HOUR < self._now_ms + self._step_ms

    def _use(self) -> None:
        """Take on friends and grant adds up to what is used of the ceilings."""
        limits = books.limits_of(self.book, LAW, self._now_ms)
        more = int(USED * (limits.relations_ceiling or 0)) - limits.relations
        self._note(Facts(self._now_ms, relations=more))
        for _ in range(int(USED * (limits.daily_add_ceiling or 0))):
            books.take_add(self.book, LAW, self._now_ms)
            books.close_request(self.book, LAW, self._now_ms, self._now_ms)

    def _batch(self, plan: dict[int, int], day_ms: int) -> None:
        # The last millisecond of the batch's time: what is told then is told in its own bag.
        from_ms, self._now_ms = self._now_ms, self._now_ms + self._step_ms - 1
        delivered = 0
        if books.paused_until_ms(self.book, from_ms) == 0:
            for hour, count in plan.items():
                delivered += count
                at_ms = day_ms + hour * HOUR
                self._post.send(complaints(self._chance, self.audience, count, at_ms))
        complained = self._post.arrived(from_ms, self._now_ms + 1)
        if delivered or complained:
            self._note(facts_of(delivered, complained, self._now_ms))
        self._told(books.review(self.book, LAW, None, self._now_ms))
        self._now_ms += 1

    def _note(self, facts: Facts) -> None:
        self._told(books.apply_facts(self.book, LAW, [facts], self._now_ms))

    def _told(self, changes: Iterable[Change]) -> None:
        day = (self._now_ms - START) / DAY
        self.told += [Told(day, change) for change in changes]

    # --- what the figures ask ---

    def first(self, what: str, after: object = None, reason: str | None = None) -> float | None:
        """The day of the first such change."""
        for day, change in self.told:
            fits = change.what == what and (after is None or change.after == after)
            if fits and (reason is None or change.reason == reason):
                return day
        return None

    def count(self, what: str) -> int:
        return sum(change.what == what for _, change in self.told)

    @property
    def ceilings(self) -> tuple[int | None, int | None]:
        limits = books.limits_of(self.book, LAW, self._now_ms)
        return limits.relations_ceiling, limits.daily_add_ceiling
