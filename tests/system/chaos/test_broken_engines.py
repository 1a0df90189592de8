"""The audit finds out a broken engine, not only doctored evidence: one fault built in at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streams.core.account import account as book
from streams.core.account import admit, pacing
from streams.core.campaign_state import Phase
from streams.core.customer import feedback, receipts, timing, windows
from streams.events import decode
from streams.runtime.checkpoint import Checkpoint
from streams.stages.account.publish import Publisher
from tests.system.chaos.auditor import audit
from tests.system.chaos.rehearsal import Steps, evidence_of, rehearse

if TYPE_CHECKING:
    from collections.abc import Callable

    Breaking = Callable[[pytest.MonkeyPatch], None]

SEEDS = range(5, 11)
"""Not every load meets every fault."""


def forgets_repeats(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("streams.core.customer.decider.seen_before", lambda ledger, mark: False)


def allows_one_more(patch: pytest.MonkeyPatch) -> None:
    limit = windows._limit
    patch.setattr(windows, "_limit", lambda *asked: limit(*asked) + 1)


def forgets_gaps(patch: pytest.MonkeyPatch) -> None:
    fails = timing.too_early
    patch.setattr(
        "streams.core.customer.decide.too_early",
        lambda *case: found if (found := fails(*case)) and found[0] != "min_gap" else None,
    )


def overhears_failures(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(receipts, "apply_failed", lambda ledger, decision_key: None)


def says_a_millisecond_too_late(patch: pytest.MonkeyPatch) -> None:
    legal = timing.eligible_ms
    patch.setattr("streams.core.customer.decide.eligible_ms", lambda *case: (legal(*case) or 0) + 1)


def loses_the_last_customer(patch: pytest.MonkeyPatch) -> None:
    read = decode.decode_intent

    def short(value: bytes | None) -> object:
        intent = read(value)
        if len(getattr(intent, "customer_ids", ())) > 1:
            intent.customer_ids.pop()  # type: ignore[union-attr]
        return intent

    patch.setattr("streams.stages.account.batch.decode_intent", short)


def allows_one_add_more(patch: pytest.MonkeyPatch) -> None:
    free = book.free_adds
    patch.setattr(book, "free_adds", lambda *case: (free(*case) or 0) + 1)


def gives_leave_too_fast(patch: pytest.MonkeyPatch) -> None:
    take = pacing.take
    patch.setattr(pacing, "take", lambda tat, us, n, now: take(tat, us // 2, n, now))


def approves_under_a_brake(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(timing, "stopped_until_ms", lambda *_: 0)


def gives_leave_under_a_brake(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(book, "broadcast_rate_per_s", lambda *_: 2.0)  # a paused account's is 0
    patch.setattr(admit, "_paused", lambda *_: None)


def tells_no_customers_of_a_brake(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Publisher, "_brake", lambda *_: ())


def knows_no_stages(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(admit, "releases", lambda word, _: word.phase != Phase.KILLED)


def counts_nothing_that_hurts(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("streams.core.account.rates.Totals.add", lambda *_: None)


def blames_the_account_that_tells(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("streams.core.customer.feedback.find_contact", lambda *_: None)


def counts_each_word_of_a_person(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(feedback.Subject, "charged", None)


def swallows_what_an_old_name_says_anew(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("streams.stages.customer.interactions.events.content_of", lambda _: b"")


@pytest.mark.parametrize(
    ("breaking", "kinds"),
    [
        (forgets_repeats, {"doubled", "lost"}),
        (allows_one_more, {"over cap", "wrongly approved"}),
        (forgets_gaps, {"over cap", "wrongly approved"}),
        (overhears_failures, {"wrongly deferred", "wrongly denied", "state"}),
        (says_a_millisecond_too_late, {"wrongly deferred"}),
        (loses_the_last_customer, {"lost"}),
        (allows_one_add_more, {"over cap"}),
        (gives_leave_too_fast, {"over cap"}),
        (approves_under_a_brake, {"wrongly approved"}),
        (gives_leave_under_a_brake, {"under a brake"}),
        (tells_no_customers_of_a_brake, {"under a brake"}),
        (knows_no_stages, {"before their turn"}),
        (counts_nothing_that_hurts, {"wrong figures"}),
        (blames_the_account_that_tells, {"wrong figures"}),
        (counts_each_word_of_a_person, {"wrong figures"}),
        (swallows_what_an_old_name_says_anew, {"wrong figures"}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_broken_engine_is_found_out(
    breaking: Breaking, kinds: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    breaking(monkeypatch)
    reports = (audit(evidence_of(rehearse(seed=seed, steps=60))) for seed in SEEDS)
    assert any(report.number(kind) for report in reports for kind in kinds)


def test_an_engine_whose_clock_follows_the_machine_s_back_is_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def tick(mark: Checkpoint, wall_ms: int) -> int:
        mark.clock_ms = wall_ms
        return wall_ms

    monkeypatch.setattr(Checkpoint, "advance_clock", tick)
    assert audit(evidence_of(rehearse(seed=13, between=Steps()))).number("clock back")
