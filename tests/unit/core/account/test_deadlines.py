"""Who in a queue has waited too long, under the laws of the moment."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from streams.core.account.deadlines import Deadlines
from streams.core.customer.compile import compile_rules
from streams.core.customer.request import Request, deadline_ms
from streams.core.kinds import Kind
from tests.unit.core.person import DAY, HOUR, MINUTE, NOON, deadline, policy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.core.customer.rules import KindRules


def ask(accepted_ms: int = NOON, kind: Kind = Kind.BROADCAST, **more: int) -> Request:
    return Request("i", "s", "a", kind, 50, deny=False, accepted_ms=accepted_ms, **more)  # type: ignore[arg-type]


def laws(length_ms: int) -> Sequence[KindRules]:
    return compile_rules(policy(**deadline(length_ms)))


@pytest.mark.rule("R5.14")
def test_a_default_deadline_is_the_policy_s_of_the_moment() -> None:
    waiting, live = Deadlines(), {1, 2}
    waiting.add(1, ask(NOON + MINUTE), live)
    waiting.add(2, ask(NOON), live)
    assert waiting.first(laws(DAY), live) == (NOON + DAY, 2)
    assert waiting.first(laws(HOUR), live) == (NOON + HOUR, 2)
    assert waiting.first(laws(HOUR), {1}) == (NOON + MINUTE + HOUR, 1)


@pytest.mark.rule("R5.14")
def test_an_own_deadline_is_no_policy_s_affair() -> None:
    waiting, live = Deadlines(), {1, 2}
    waiting.add(1, ask(deadline_ms=NOON + 2 * HOUR), live)
    waiting.add(2, ask(kind=Kind.MOMENT), live)
    assert waiting.first(laws(DAY), live) == (NOON + 2 * HOUR, 1)
    assert waiting.first(laws(HOUR), live) == (NOON + HOUR, 2)


def test_it_finds_what_going_through_all_of_them_finds() -> None:
    dice = random.Random(7)
    waiting, asks = Deadlines(), dict[int, Request]()
    for seq in range(2_000):
        own = dice.choice([None, NOON + dice.randrange(3 * DAY)])
        one = replace(ask(NOON + dice.randrange(DAY)), kind=dice.choice([1, 2, 3]), deadline_ms=own)
        asks[seq] = one
        waiting.add(seq, one, asks)
        for gone in dice.sample(sorted(asks), min(len(asks) - 1, dice.choice([0, 1, 1, 2]))):
            del asks[gone]
        now = laws(dice.choice([HOUR, DAY, 2 * DAY]))
        found = waiting.first(now, asks)
        wanted = min(deadline_ms(a, now[a.kind].deadline_ms) for a in asks.values())
        assert found is not None
        assert found[0] == wanted


def test_where_nobody_waits_there_is_none() -> None:
    waiting = Deadlines()
    waiting.add(1, ask(), {1})
    assert waiting.first(laws(DAY), set()) is None
