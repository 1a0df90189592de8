"""The laws find out an engine with one fault built in, so that their silence says something."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streams.core.account import account, admit, pacing, permits
from streams.core.campaign_state import Phase
from streams.core.customer import feedback
from streams.stages.account.drain import QueueDrain
from streams.stages.customer import feedback as telling
from tests.properties.accounts.plot import Plot
from tests.properties.accounts.test_machine import LENGTH, faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.core.account.case import AccountInput
    from streams.core.account.turns import Entry
    from streams.core.customer.rules import KindRules

    Breaking = Callable[[pytest.MonkeyPatch], None]

SEEDS = range(80)


def one_add_too_many(patch: pytest.MonkeyPatch) -> None:
    free = account.free_adds
    patch.setattr(account, "free_adds", lambda *case: None if (n := free(*case)) is None else n + 1)


def one_relation_too_many(patch: pytest.MonkeyPatch) -> None:
    room = account.capacity
    patch.setattr(account, "capacity", lambda *case: None if (n := room(*case)) is None else n + 1)


def forgets_what_failed(patch: pytest.MonkeyPatch) -> None:
    def close(case: AccountInput, rules: KindRules, _: int, count: int) -> None:
        permits.close(case.queue, rules.kind, count)

    patch.setattr(permits, "give_back", close)


def a_hundredth_too_fast(patch: pytest.MonkeyPatch) -> None:
    take = pacing.take
    patch.setattr(pacing, "take", lambda tat, us, n, now: take(tat, us - us // 100, n, now))


def knows_no_stages(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(admit, "releases", lambda word, _: word.phase != Phase.KILLED)


def knows_no_brake(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("streams.core.customer.timing.stopped_until_ms", lambda *_: 0)


def counts_nothing_that_hurts(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("streams.core.account.rates.Bucket.add", lambda *_: None)


def knows_no_names(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("streams.core.customer.feedback.find_contact", lambda *_: None)


def counts_each_word_of_a_person(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(feedback.Subject, "charged", None)


def never_wakes(patch: pytest.MonkeyPatch) -> None:
    def is_open(self: QueueDrain, entry: Entry) -> bool:
        return admit.blocked(self._case(entry)) is None

    patch.setattr(QueueDrain, "_is_open", is_open)


def tells_relations_twice(patch: pytest.MonkeyPatch) -> None:
    changed = telling.Feedback._changed

    def twice(self: telling.Feedback, *case: object, **more: object) -> None:
        changed(self, *case, **more)  # type: ignore[arg-type]
        changed(self, *case, **more)  # type: ignore[arg-type]

    patch.setattr(telling.Feedback, "_changed", twice)


def counts_who_is_asked_for_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("streams.stages.customer.candidates.DUPLICATE", None)


@pytest.mark.parametrize(
    ("breaking", "law"),
    [
        (one_add_too_many, "adds: "),
        (one_relation_too_many, "adds: "),
        (forgets_what_failed, "figures: "),
        (a_hundredth_too_fast, "pace: "),
        (knows_no_stages, "campaigns: "),
        (knows_no_brake, "orders: "),
        (counts_nothing_that_hurts, "figures: "),
        (knows_no_names, "figures: "),
        (counts_each_word_of_a_person, "figures: "),
        (never_wakes, "waits for nothing"),
        (tells_relations_twice, "figures: "),
        (counts_who_is_asked_for_again, "campaigns: "),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_broken_engine_is_found_out(
    breaking: Breaking, law: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaking(monkeypatch)
    found = (fault for seed in SEEDS for fault in faults(Plot(seed).steps(LENGTH), seed))
    assert any(law in fault for fault in found)
