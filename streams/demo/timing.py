"""How soon a complaint becomes a limit, on a real clock and from the outside.

The worker of the demo lives by a fast clock, so its own metric of this means nothing here. Rules of
this file: it pairs the broker's time of each complaint with the moment at which a client with
`read_committed` had the limits that count it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streams.core.policy import Policy, Weights
    from streams.demo.account_side import AccountSide


def brake_delays(accounts: AccountSide, policy: Policy) -> tuple[list[int], list[int]]:
    """Milliseconds from complaint to limit: of those the worker was alive for, and the others."""
    usual: list[int] = []
    down: list[int] = []
    reputation = policy.reputation
    if reputation is None:
        return usual, down
    for account in accounts.hurts:
        for heard_ms, read_ms in _pairs(accounts, account, reputation.weights):
            died_ms, ready_ms = accounts.down_ms
            meets = heard_ms <= ready_ms and read_ms >= died_ms
            (down if meets else usual).append(max(0, read_ms - heard_ms))
    return usual, down


def _pairs(accounts: AccountSide, account: str, weights: Weights) -> list[tuple[int, int]]:
    """Of each complaint, block and opt-out of an account: when it came, when its limit was read."""
    pairs, told, total = [], 0, 0.0
    limits, places = accounts.limits[account], accounts.places[account]
    for hurt in sorted(accounts.hurts[account], key=lambda hurt: hurt.heard_ms):
        total += getattr(weights, hurt.what)
        while told < len(limits) and limits[told].get("complaints", 0) < total:
            told += 1
        if told < len(limits) and places[told] in accounts.read_ms:
            pairs.append((hurt.heard_ms, accounts.read_ms[places[told]]))
    return pairs
