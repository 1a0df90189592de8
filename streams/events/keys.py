"""Record keys: the only place that joins and splits them.

Identifiers contain no `/`, so a key splits in one way only. Rules of this file: it checks nothing;
callers pass checked identifiers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.events.interactions import AccountStatus

if TYPE_CHECKING:
    from streams.events.interactions import Interaction


def customer_key(enterprise_id: str, customer_id: str) -> bytes:
    """`enterprise/customer`: the key of everything about one customer."""
    return f"{enterprise_id}/{customer_id}".encode()


def account_key(enterprise_id: str, account_id: str) -> bytes:
    """`enterprise/account`: the key of everything about one account."""
    return f"{enterprise_id}/{account_id}".encode()


def campaign_key(enterprise_id: str, campaign_id: str) -> bytes:
    """`enterprise/campaign/NAME`: the second `/` distinguishes it from an account's key."""
    return f"{enterprise_id}/campaign/{campaign_id}".encode()


def enterprise_key(enterprise_id: str) -> bytes:
    """`enterprise//`: no account's and no campaign's key."""
    return f"{enterprise_id}//".encode()


def key_of(interaction: Interaction) -> bytes:
    """The key of the account or customer that an interaction is about."""
    if isinstance(interaction, AccountStatus):
        return account_key(interaction.data.enterprise_id, interaction.data.account_id)
    return customer_key(interaction.data.enterprise_id, interaction.data.customer_id)


def parts_of(key: bytes) -> tuple[str, str]:
    """The two identifiers of a customer's or an account's key. ValueError for other bytes."""
    enterprise_id, name = key.decode().split("/")
    return enterprise_id, name
