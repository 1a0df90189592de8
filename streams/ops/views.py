"""The bodies of the look-ups' answers: customers, accounts and campaigns.

Rules of this file: only names and their order in the answer; the core says what a state means. A
state is read and never written: everything that changes here is a copy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from streams.core import campaign, campaign_state
from streams.core.account import account
from streams.core.account import state as account_state
from streams.core.account.rules import account_rules_of
from streams.core.customer.dry_run import dry_run
from streams.core.customer.view import view_of
from streams.events.keys import account_key, campaign_key, customer_key
from streams.ops.lookups import Answer, Subject
from streams.stages.account.index import index_of
from streams.stages.account.stage import AccountStage
from streams.stages.customer.ledgers import read_customer
from streams.stages.customer.stage import CustomerStage

if TYPE_CHECKING:
    from streams.core.account.rules import AccountRules
    from streams.core.account.state import AccountState
    from streams.core.customer.customer import Customer
    from streams.ops.lookups import LookupRequest
    from streams.runtime.state import State
    from streams.stages.customer.erasure import Erasure
    from streams.stages.rules import Rules

_NO_PARAMETERS: Final[frozenset[str]] = frozenset()


def customers(rules: Rules, erasure: Erasure) -> Subject:
    """`/v1/customers/{enterprise}/{customer}?account=…&campaign=…&priority=…`."""

    def describe(state: State, wanted: LookupRequest, now_ms: int) -> Answer:
        key = customer_key(wanted.enterprise, wanted.name)

        def customer() -> Customer:
            return read_customer(rules, erasure, state, key, now_ms)

        view = view_of(customer())
        body = {
            "enterprise_id": wanted.enterprise,
            "customer_id": wanted.name,
            "at_ms": now_ms,
            **msgspec.structs.asdict(view),
            "asked": wanted.question,
            "now": dry_run(customer, wanted.question),
        }
        return _found(body, "customer", known=view.known)

    parameters = frozenset({"account", "campaign", "priority"})
    return Subject("customers", CustomerStage.name, customer_key, parameters, describe)


def accounts(rules: Rules) -> Subject:
    """`/v1/accounts/{enterprise}/{account}`: its limits now, what they still allow, who waits."""

    def describe(state: State, wanted: LookupRequest, now_ms: int) -> Answer:
        key = account_key(wanted.enterprise, wanted.name)
        policy = rules.policy(wanted.enterprise, now_ms)
        account_rules = account_rules_of(policy)
        value = state.get(key)
        copy = account_state.load(value)
        account_state.advance_to(copy, account_rules, now_ms)
        body = {
            "enterprise_id": wanted.enterprise,
            "account_id": wanted.name,
            "at_ms": now_ms,
            "policy": policy.name,
            "policy_version": policy.version,
            "status": copy.status,
            **msgspec.structs.asdict(account.limits_of(copy, account_rules, now_ms)),
            **_remaining(copy, account_rules, now_ms),
            "waiting": _waiting(state, key),
        }
        return _found(body, "account", known=value is not None)

    return Subject("accounts", AccountStage.name, account_key, _NO_PARAMETERS, describe)


def campaigns(rules: Rules) -> Subject:
    """`/v1/campaigns/{enterprise}/{campaign}`: phase, released share and rates."""

    def describe(state: State, wanted: LookupRequest, now_ms: int) -> Answer:
        policy = rules.policy(wanted.enterprise, now_ms)
        value = state.get(campaign_key(wanted.enterprise, wanted.name))
        stored, campaign_rules = (
            campaign_state.load(value),
            campaign_state.campaign_rules_of(policy),
        )
        status = campaign.status_of(stored, campaign_rules, now_ms)
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
    """The answer; of something unknown it shows how a new one begins, with status 404."""
    sentence = f"nothing is known of this {what}; the rest is how a new one begins"
    return Answer(known, body if known else {"error": sentence, **body})


def _remaining(state: AccountState, rules: AccountRules, now_ms: int) -> dict[str, int | None]:
    """What the ceilings still allow; open friend requests take capacity until they are answered."""
    return {
        "requests_open": state.open_requests,
        "relations_left": account.capacity(state, rules),
        "adds_left": account.free_adds(state, rules, now_ms),
        "adds_renewed_at_ms": account.next_day_ms(rules, now_ms),
    }


def _waiting(state: State, key: bytes) -> int:
    """Customers in the account's queue."""
    index = index_of(state)
    if key not in index.waiting:  # opening an account would keep it in memory
        return 0
    return sum(entry.left for entry in index.open(key).queue.entries())
