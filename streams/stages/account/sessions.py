"""The accounts of one batch: each is opened once, by the first record that concerns it, and closed
once, at the batch's end.

Rules of this file: it opens and closes; what an account does is its session's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from streams.stages.account.session import AccountSession

if TYPE_CHECKING:
    from streams.stages.account.context import RulesInForce, SessionContext

OPENED: Final = 1_024
"""Bytes that an open account adds to a batch beside its state: its queue's state, its timers, and
what is published of its limits."""


class AccountSessions:
    """The sessions of one batch."""

    def __init__(self, context: SessionContext, rules: RulesInForce) -> None:
        self._context, self._rules = context, rules
        self._opened: dict[bytes, AccountSession] = {}

    def open(self, key: bytes) -> AccountSession:
        """The session of an account."""
        session = self._opened.get(key)
        if session is None:
            state = self._context.state
            state.budget.promise(len(state.get(key) or b"") + OPENED)
            account = self._context.accounts.open(key)
            rules = self._rules.of(account.enterprise)
            session = self._opened[key] = AccountSession(account, rules, self._context)
        return session

    def close(self) -> None:
        """Close every account that was opened."""
        for session in self._opened.values():
            session.close()
