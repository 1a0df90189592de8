from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest

from streams.core.policy import Weights
from streams.core.reasons import AT_CEILING, Reason
from streams.demo.account_audit import Turn, account_audit, overflow
from streams.demo.account_side import AccountSide, Hurt
from streams.demo.audit import audit
from streams.demo.day import MINUTE_MS, interaction
from streams.demo.headlines import Headlines
from streams.demo.summary import summary
from streams.demo.timing import brake_delays
from streams.runtime.testing import DriverRecord
from streams.topics import INTERACTIONS
from tests.unit.demo.driver import STORY, STORY_POLICY, evidence_of, story

if TYPE_CHECKING:
    from streams.demo.audit import Check
    from streams.demo.evidence import Evidence

DAY, POLICY = STORY, STORY_POLICY


@pytest.fixture
def records() -> list[DriverRecord]:
    return story()


@pytest.fixture
def evidence(records: list[DriverRecord]) -> Evidence:
    return evidence_of(records)


def faults(evidence: Evidence) -> list[Check]:
    return [check for check in account_audit(evidence, POLICY) if not check.good]


def decisions(evidence: Evidence, reason: Reason) -> list[dict[str, Any]]:
    return [d for ask in evidence.asks.values() for d in ask.decisions if d["reason"] == reason]


# The day's story.


def test_a_day_with_everything_in_it_balances(evidence: Evidence) -> None:
    assert faults(evidence) == []
    assert [check for check in audit(evidence, POLICY) if not check.good] == []


def test_the_account_that_goes_wrong_is_braked_within_a_few_complaints(evidence: Evidence) -> None:
    first, *_ = evidence.accounts.changes_of(DAY.rogue, "pause")
    assert (first["reason"], first["before"]) == ("burst", 0)
    assert first["after"] - first["changed_at_ms"] == 180 * MINUTE_MS
    assert 4 <= first["complaints"] <= 8


def test_what_the_braked_account_held_goes_on_after_the_pause(evidence: Evidence) -> None:
    _, over, *_ = evidence.accounts.changes_of(DAY.rogue, "pause")
    assert over["reason"] == "pause_over"
    held = [
        ask.last
        for ask in evidence.asks.values()
        if ask.last and ask.last["account_id"] == DAY.rogue
        if any(d["reason"] == Reason.ACCOUNT_PAUSED for d in ask.decisions)
    ]
    sent = [last for last in held if last["outcome"] == "approved"]
    assert sent
    assert all(last["decided_at_ms"] >= over["changed_at_ms"] for last in sent)


def test_the_full_account_is_refused_with_the_code_of_wecom(evidence: Evidence) -> None:
    refused = decisions(evidence, Reason.ACCOUNT_CEILING)
    assert {(d["account_id"], d["wecom_errcode"]) for d in refused} == {(DAY.founder, AT_CEILING)}


def test_who_asks_too_many_people_waits_for_tomorrow(evidence: Evidence) -> None:
    waiting = decisions(evidence, Reason.DAILY_ADD_QUOTA)
    assert DAY.hunter in {d["account_id"] for d in waiting}


def test_the_good_campaign_reaches_everybody_by_stages_and_the_bad_one_is_stopped(
    evidence: Evidence,
) -> None:
    good, bad = evidence.accounts.campaigns["autumn"], evidence.accounts.campaigns["big-draw"]
    assert {status["released"] for status in good} == {0.01, 0.05, 0.2, 1.0}
    assert good[-1]["phase"] == "full"
    assert bad[-1]["phase"] == "killed"
    assert evidence.outcomes["cancelled"] > 0


# What the audit of it notices.


def test_a_friend_request_over_the_days_ceiling_is_noticed(evidence: Evidence) -> None:
    requests = [
        message
        for message in evidence.approved
        if (message["kind"], message["account_id"]) == ("friend_request", DAY.hunter)
        and any(receipt.delivered for receipt in evidence.receipts[message["decision_id"]])
    ]
    before = len(requests)
    evidence.approved += [requests[0]] * (20 - before)
    assert faults(evidence) == []
    evidence.approved.append(requests[0])
    (fault,) = faults(evidence)
    assert fault.faults == 1


def test_a_complaint_that_nobody_counted_is_noticed(records: list[DriverRecord]) -> None:
    data = {"account_id": DAY.rogue, "customer_id": "wm-00001"}
    event = interaction(DAY.start_ms, "wecom", "unheard", "complained", data)
    more = DriverRecord(INTERACTIONS, 0, 1 << 40, DAY.start_ms, event.key, event.value)
    (fault,) = faults(evidence_of([*records, more]))
    assert "complaints" in fault.text


def test_a_complaint_that_was_counted_twice_is_noticed(evidence: Evidence) -> None:
    evidence.accounts.limits[DAY.rogue][-1]["complaints"] += 1
    assert len(faults(evidence)) == 1


def test_messages_that_all_went_at_once_are_noticed(evidence: Evidence) -> None:
    leaves = evidence.accounts.leaves[DAY.founder]
    first_ms = min(leave.at_ms for leave in leaves)
    evidence.accounts.leaves[DAY.founder] = [leave._replace(at_ms=first_ms) for leave in leaves]
    (fault,) = faults(evidence)
    assert "rate" in fault.text


BURST_US = 30_000_000
HALF_US = 500_000.0


def turns(count: int, at_us: int = 0, *, used: bool = True) -> list[Turn]:
    return [Turn(at_us, used, HALF_US)] * count


def test_a_burst_and_one_more_may_go_at_once() -> None:
    assert overflow(turns(61), BURST_US) == 0
    assert overflow(turns(63), BURST_US) == 2


def test_time_makes_room_at_the_rate() -> None:
    assert overflow([*turns(61), *turns(4, at_us=2_000_000)], BURST_US) == 0
    assert overflow([*turns(61), *turns(5, at_us=2_000_000)], BURST_US) == 1


def test_what_was_given_back_makes_room_once() -> None:
    given_back = turns(10, used=False)
    assert overflow([*given_back, *turns(61)], BURST_US) == 0
    assert overflow([*given_back, *turns(63)], BURST_US) == 2


def test_at_a_pace_of_nought_nothing_may_go() -> None:
    assert overflow([Turn(0, used=True, interval_us=None)], BURST_US) == 1


# Hurts and their limits.


def side_with(*told: tuple[str, str, dict[str, Any]]) -> AccountSide:
    side = AccountSide()
    for number, (what, name, more) in enumerate(told):
        data = {"account_id": "a", "customer_id": "c", **more}
        event = interaction(number, "s", name, what, data)
        side.interaction(orjson.loads(event.value), heard_ms=1_000 + number)
    return side


def test_repeats_and_second_opt_outs_are_no_news() -> None:
    no = {"kinds": ["direct"], "allowed": False}
    side = side_with(
        ("complained", "1", {}), ("complained", "1", {}), ("consent", "2", no), ("consent", "3", no)
    )
    assert side.complaints("a", Weights()) == 1.5


def test_a_delay_runs_from_the_complaint_to_the_limits_that_count_it() -> None:
    side = AccountSide()
    side.hurts["a"] = [Hurt("a", "block", 0, 1_500), Hurt("a", "complaint", 0, 1_000)]
    for place, (complaints, read_ms) in enumerate(((0.0, 900), (1.0, 1_250), (2.0, 1_800))):
        side.limits["a"].append({"complaints": complaints})
        side.places["a"].append((0, place))
        side.read_ms[0, place] = read_ms
    assert brake_delays(side, POLICY) == ([250, 300], [])
    side.down_ms = (1_600, 1_700)
    assert brake_delays(side, POLICY) == ([250], [300])


# What is told.


def test_news_is_told_once(evidence: Evidence) -> None:
    headlines = Headlines()
    told = [text for _, text in headlines.fresh(evidence.accounts)]
    assert any(f"{DAY.rogue} is braked" in text for text in told)
    assert any("big-draw is paused" in text for text in told)
    assert headlines.fresh(evidence.accounts) == []


def test_the_summary_names_who_was_stopped_and_fits(evidence: Evidence) -> None:
    paragraphs = dict(summary(evidence, audit(evidence, POLICY), POLICY))
    assert max(len(line) for lines in paragraphs.values() for line in lines) <= 110
    accounts, campaigns = "\n".join(paragraphs["Accounts"]), "\n".join(paragraphs["Campaigns"])
    assert f"{DAY.founder} " in accounts
    assert "× account_ceiling" in accounts
    assert "killed" in campaigns
    assert any("goes on: of " in line for line in paragraphs["The brake"])
