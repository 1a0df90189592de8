"""What can be looked up, and what there is to say of it: the bodies of the look-ups' answers.

Rules of this file: names and their order in the answer only; what a ledger and a book mean is the
core's to say. A state is read and never written: what is changed here are copies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from streams.core import campaign as campaign_books
from streams.core import campaign_state
from streams.core.account import account as account_books
from streams.core.account import state as pages
from streams.core.customer.dry_run import dry_run
from streams.core.customer.view import view_of
from streams.events.keys import account_key, campaign_key, customer_key
from streams.ops.lookups import Answer, Subject
from streams.stages.account.index import index_of
from streams.stages.account.stage import AccountStage
from streams.stages.customer.feedback import Feedback
from streams.stages.customer.ledgers import LedgerSession
from streams.stages.customer.stage import CustomerStage

if TYPE_CHECKING:
    from streams.core.account.account import AccountRules, AccountState
    from streams.core.customer.customer import Customer
    from streams.ops.lookups import LookUp
    from streams.runtime.state import State
    from streams.stages.customer.erasure import Erasure
    from streams.stages.rules import Rules

_NO_PARAMETERS: Final[frozenset[str]] = frozenset()


def customers(rules: Rules, erasure: Erasure) -> Subject:
    """`/v1/customers/{enterprise}/{customer}?account=…&campaign=…&priority=…`."""

    def describe(state: State, wanted: LookUp, now_ms: int) -> Answer:
        key = customer_key(wanted.enterprise, wanted.name)

        def desk() -> Customer:
            """A desk to be thrown away: only `Books.close` writes."""
            return LedgerSession(rules, erasure, state, now_ms, Feedback(now_ms)).open(key)

        standing = view_of(desk())
        body = {
            "enterprise_id": wanted.enterprise,
            "customer_id": wanted.name,
            "at_ms": now_ms,
            **msgspec.structs.asdict(standing),
            "asked": wanted.question,
            "now": dry_run(desk, wanted.question),
        }
        return _found(body, "customer", known=standing.known)

    parameters = frozenset({"account", "campaign", "priority"})
    return Subject("customers", CustomerStage.name, customer_key, parameters, describe)


def accounts(rules: Rules) -> Subject:
    """`/v1/accounts/{enterprise}/{account}`: its limits now, what is left of them, who waits."""

    def describe(state: State, wanted: LookUp, now_ms: int) -> Answer:
        key = account_key(wanted.enterprise, wanted.name)
        policy = rules.policy(wanted.enterprise, now_ms)
        law = account_books.account_rules_of(policy)
        value = state.get(key)
        book = account_books.load(value)
        pages.advance_to(book, law, now_ms)
        body = {
            "enterprise_id": wanted.enterprise,
            "account_id": wanted.name,
            "at_ms": now_ms,
            "policy": policy.name,
            "policy_version": policy.version,
            "status": book.status,
            **msgspec.structs.asdict(account_books.limits_of(book, law, now_ms)),
            **_left(book, law, now_ms),
            "waiting": _waiting(state, key),
        }
        return _found(body, "account", known=value is not None)

    return Subject("accounts", AccountStage.name, account_key, _NO_PARAMETERS, describe)


def campaigns(rules: Rules) -> Subject:
    """`/v1/campaigns/{enterprise}/{campaign}`: phase, released share and rates."""

    def describe(state: State, wanted: LookUp, now_ms: int) -> Answer:
        policy = rules.policy(wanted.enterprise, now_ms)
        law = campaign_state.campaign_rules_of(policy)
        value = state.get(campaign_key(wanted.enterprise, wanted.name))
        status = campaign_books.status_of(campaign_state.load(value), law, now_ms)
        body = {
            "enterprise_id": wanted.enterprise,
            "campaign_id": wanted.name,
            "at_ms": now_ms,
            "policy": policy.name,
            "policy_version": policy.version,
            **msgspec.structs.asdict(status),
        }
        return _found(body, "campaign", known=value is not None)

    return Subject("campaigns", AccountStage.name, campaign_key, _NO_PARAMETERS, describe)


def _found(body: dict[str, Any], what: str, *, known: bool) -> Answer:
    """Of what is not known the answer says how it would begin, under a 404."""
    sentence = f"nothing is known of this {what}; the rest is how a new one begins"
    return Answer(known, body if known else {"error": sentence, **body})


def _left(state: AccountState, rules: AccountRules, now_ms: int) -> dict[str, int | None]:
    """What the ceilings leave; `requests_open` take up room until they are answered."""
    return {
        "requests_open": state.open_requests,
        "relations_left": account_books.capacity(state, rules),
        "adds_left": account_books.free_adds(state, rules, now_ms),
        "adds_renewed_at_ms": account_books.next_day_ms(rules, now_ms),
    }


def _waiting(state: State, key: bytes) -> int:
    """Customers in the account's queue."""
    index = index_of(state)
    if key not in index.waiting:  # to open an account is to keep it in memory
        return 0
    return sum(place.left for place in index.open(key).queue.entries())
