"""The table of the states' keys: no two kinds of keys can be taken for each other."""

from __future__ import annotations

from itertools import permutations

import pytest

from streams.events.keys import account_key, campaign_key, customer_key, enterprise_key
from streams.stages import state_keys as keys

ACCOUNT_STAGE = (
    keys.QUEUE_STATE,
    keys.TURN,
    keys.SLICE,
    keys.NAMES,
    keys.SHARED,
    keys.DUE,
    keys.PROGRESS,
    keys.BALANCE,
)
CUSTOMER_STAGE = (keys.STATUS, keys.KILLED, keys.ERASED, keys.BALANCE)
RULES_STAGE = (keys.POLICY, keys.CONTROL, keys.GENERATION)
TIMERS = (
    keys.EXPIRY_TIMER,
    keys.DRAIN_TIMER,
    keys.REVIEW_TIMER,
    keys.CAMPAIGN_TIMER,
    keys.ENTERPRISE_TIMER,
    keys.SWEEP_TIMER,
)

ACCOUNT = account_key("acme", "xiaoer")
CAMPAIGN = campaign_key("acme", "spring")
ENTERPRISE = enterprise_key("acme")


@pytest.mark.parametrize("stage", [ACCOUNT_STAGE, CUSTOMER_STAGE, RULES_STAGE, TIMERS])
def test_no_prefix_begins_another(stage: tuple[bytes, ...]) -> None:
    assert not [pair for pair in permutations(stage, 2) if pair[0].startswith(pair[1])]


@pytest.mark.parametrize("prefix", [*ACCOUNT_STAGE, *CUSTOMER_STAGE, *RULES_STAGE])
def test_the_table_names_each_prefix(prefix: bytes) -> None:
    assert f"`{prefix.decode()}`" in (keys.__doc__ or "")


def test_an_account_a_campaign_and_an_enterprise_are_told_apart() -> None:
    assert [keys.is_account(key) for key in (ACCOUNT, CAMPAIGN, ENTERPRISE)] == [True, False, False]
    assert [keys.is_campaign(key) for key in (ACCOUNT, CAMPAIGN, ENTERPRISE)] == [
        False,
        True,
        False,
    ]


@pytest.mark.parametrize("owner", [ACCOUNT, CAMPAIGN, ENTERPRISE])
def test_what_stands_beside_them_is_none_of_them(owner: bytes) -> None:
    beside = [prefix + owner for prefix in ACCOUNT_STAGE if prefix.startswith(b"/")]
    for key in [*beside, keys.PROGRESS, keys.BALANCE]:
        assert not keys.is_account(key)
        assert not keys.is_campaign(key)


def test_no_enterprise_s_name_makes_a_customer_s_key_of_what_the_customer_stage_keeps() -> None:
    for prefix in (keys.STATUS, keys.KILLED):
        customer = customer_key(prefix.decode().removesuffix("/"), "wm-1")
        assert (prefix + ACCOUNT).count(b"/") > customer.count(b"/")
