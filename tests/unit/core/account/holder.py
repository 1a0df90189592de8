"""One account as the tests drive it. Between any two steps the book goes through its bytes, and a
step never comes before what was due is done, as in the account stage.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from streams.core.account import account as books
from streams.core.account.facts import Facts
from streams.core.account.rates import width_of
from streams.core.account.rules import account_rules_of
from streams.core.account.state import AccountState, dump, load
from streams.policy.files import packaged
from tests.unit.core.person import DAY, ms

if TYPE_CHECKING:
    from streams.core.account.limits import Change, Limits
    from streams.core.policy import Policy

WECOM: Final = packaged()[1]
MIDNIGHT: Final = ms("2026-11-18 00:00", "Asia/Shanghai")
BUCKET_MS: Final = width_of(7 * DAY, 28 * DAY)
"""The packaged policy's."""


def bucket_ms(at_ms: int) -> int:
    """The start of the packaged policy's bucket."""
    return at_ms - at_ms % BUCKET_MS


START: Final = bucket_ms(MIDNIGHT) + BUCKET_MS
"""02:00 in the policy's zone, where a bucket begins."""

Told = tuple[str, object, object, str]


def changed(policy: Policy = WECOM, **sections: Any) -> Policy:
    """The policy with values changed: `ceilings={"fall_off_after": 1}`, or a section None."""
    new = {
        name: value if value is None else msgspec.structs.replace(getattr(policy, name), **value)
        for name, value in sections.items()
    }
    return msgspec.structs.replace(policy, **new)


class Holder:
    """An account under a policy; `told` is every change so far."""

    def __init__(self, policy: Policy = WECOM, now_ms: int = START) -> None:
        self.law = account_rules_of(policy)
        self.now_ms = now_ms
        self.changes: list[Change] = []
        self.enterprise_replies: float | None = None
        self._value: bytes | None = None

    @property
    def told(self) -> list[Told]:
        return [(c.what, c.before, c.after, c.reason) for c in self.changes]

    @property
    def book(self) -> AccountState:
        return load(self._value)

    @property
    def limits(self) -> Limits:
        return books.limits_of(self.book, self.law, self.now_ms)

    @property
    def ceilings(self) -> tuple[int | None, int | None]:
        return self.limits.relations_ceiling, self.limits.daily_add_ceiling

    @property
    def due_ms(self) -> int | None:
        return books.next_review_ms(self.book, self.law, self.now_ms)

    def note(self, at_ms: int | None = None, **counts: int) -> list[Told]:
        told = [Facts(self.now_ms if at_ms is None else at_ms, **counts)]
        return self._step(lambda book: books.apply_facts(book, self.law, told, self.now_ms))

    def status(self, word: str, at_ms: int | None = None) -> list[Told]:
        at_ms = self.now_ms if at_ms is None else at_ms
        return self._step(lambda book: books.apply_status(book, self.law, word, at_ms, self.now_ms))

    def review(self) -> list[Told]:
        rate = self.enterprise_replies
        return self._step(lambda book: books.review(book, self.law, rate, self.now_ms))

    def add(self) -> int:
        self._step(lambda book: books.take_add(book, self.law, self.now_ms))
        return self.now_ms

    def transfer(self) -> int:
        self._step(lambda book: books.take_relation(book, self.law, self.now_ms))
        return self.now_ms

    def give_back(self, granted_ms: int) -> None:
        self._step(lambda book: books.give_back_add(book, self.law, granted_ms, self.now_ms))

    def answered(self, granted_ms: int) -> None:
        self._step(lambda book: books.close_request(book, self.law, granted_ms, self.now_ms))

    def later(self, span_ms: int) -> list[Told]:
        """Let time pass, reviewing whenever the book asks for it, and at the end."""
        return self.until(self.now_ms + span_ms)

    def until(self, to_ms: int) -> list[Told]:
        before = len(self.changes)
        while (due_ms := self.due_ms) is not None and due_ms <= to_ms:
            assert due_ms > self.now_ms
            self.now_ms = due_ms
            self.review()
        self.now_ms = to_ms
        self.review()
        return self.told[before:]

    def days(self, days: int, **counts: int) -> None:
        """The same facts on each of these days."""
        for _ in range(days):
            self.note(**counts)
            self.later(DAY)

    def _step(self, act: Any) -> list[Told]:
        book = self.book
        changes = act(book) or []
        self._value = dump(book)
        self.changes += changes
        return self.told[len(self.changes) - len(changes) :]
