"""Section 3: who is called answers; who is ignored falls silent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streams.core.kinds import Kind
from streams.core.policy import FOREVER, Holdout, QuietHours, Reply, Silence, Suppression
from tests.unit.core.person import DAY, HOUR, MARKETING, NOON, Person, policy, rolling, validity

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.flows.scene import Scene

ANSWERING = policy(reply=Reply(credits=5, within_ms=2 * DAY), **validity(2 * DAY))


@pytest.mark.rule("R3.2")
def test_a_renewal_in_the_last_millisecond_is_five_more_for_forty_eight_hours_more() -> None:
    person = Person(ANSWERING)
    person.wrote()
    for _ in range(5):
        person.approved(Kind.REPLY)
    person.at(NOON + 2 * DAY - 1).wrote()
    for _ in range(4):
        person.approved(Kind.REPLY)
    person.at(NOON + 4 * DAY - 2)
    assert person.ask(Kind.REPLY).outcome == "approved"
    assert person.ask(Kind.REPLY).wecom_errcode == 95001
    assert person.after(1).ask(Kind.REPLY).wecom_errcode == 95002


@pytest.mark.rule("R3.2")
def test_messages_do_not_add_up_to_more_than_five() -> None:
    person = Person(ANSWERING)
    for _ in range(3):
        person.after(1).wrote()
    for _ in range(5):
        person.approved(Kind.REPLY)
    assert person.ask(Kind.REPLY).wecom_errcode == 95001


@pytest.mark.rule("R3.3")
def test_a_reply_that_nobody_called_for_is_never_held() -> None:
    person = Person(ANSWERING)
    assert person.ask(Kind.REPLY).outcome == "denied"
    person.after(1).wrote()
    for _ in range(5):
        person.approved(Kind.REPLY)
    assert person.ask(Kind.REPLY).outcome == "denied"
    assert person.next_ms() is None


@pytest.mark.rule("R3.6")
def test_a_reply_passes_where_nothing_else_does() -> None:
    everything = 127
    law = policy(
        rolling(1, DAY, min_gap_ms=DAY),
        reply=Reply(credits=5, within_ms=2 * DAY),
        quiet_hours=QuietHours(kinds=everything, from_ms=0, to_ms=23 * HOUR),
        silence=Silence(kinds=everything, ignored=1, first_ms=DAY, factor=2.0, longest_ms=DAY),
        suppression=Suppression(kinds=everything, account_ms=FOREVER, enterprise_ms=FOREVER),
        ask_first=everything,
        friends_required=True,
        holdout=Holdout(share=1.0, kinds=everything),
        unknown_zone_denies=True,
    )
    person = Person(law)
    person.consents(allowed=False)
    person.complained()
    person.unfriended()
    person.wrote()
    for _ in range(5):
        assert person.ask(Kind.REPLY).remaining == {}
    for kind in (Kind.DIRECT, Kind.BROADCAST, Kind.MOMENT, Kind.FRIEND_REQUEST):
        assert person.ask(kind).outcome == "denied"


@pytest.mark.rule("R3.6")
def test_replies_use_no_slot_of_marketing() -> None:
    person = Person(policy(rolling(1, DAY, min_gap_ms=HOUR), **validity(2 * DAY)))
    for _ in range(5):
        person.delivered(person.approved(Kind.REPLY))
    assert person.ask(Kind.DIRECT).remaining == {"w": 0}


LADDER = {"kinds": ["direct"], "ignored": 3, "first": "5d", "factor": 2, "longest": "180d"}


@pytest.mark.rule("R3.8")
@pytest.mark.parametrize("sign", ["click", "view", "purchase", "visit", "message"])
def test_every_sign_of_interest_resets_the_ladder(told: Callable[..., Scene], sign: str) -> None:
    scene = told(silence=LADDER)
    for number in ("1", "2", "3"):
        scene.ask(number)
        scene.receipt("delivered", number, at="0s")
    scene.ask("held", deadline_ms=scene.start_ms + 9 * DAY)
    scene.expect("held", "deferred silence_backoff silence +5d")
    scene.at("1h")
    before_ms = scene.start_ms + HOUR - 1  # what is released now comes after it
    if sign == "message":
        scene.hear("message_received", occurred_at_ms=before_ms)
    else:
        scene.hear("engaged", action=sign, occurred_at_ms=before_ms)
    assert scene.story("held")[-1] == "approved ok"
    scene.receipt("delivered", "held", at="1h")
    for number in ("4", "5"):  # the ladder begins anew: three more before five days again
        scene.ask(number)
        scene.receipt("delivered", number, at="1h")
    scene.ask("6", if_not_now="deny")
    scene.expect("6", "denied silence_backoff silence +5d1h")


@pytest.mark.rule("R3.8")
@pytest.mark.parametrize("event", ["complained", "blocked", "friend_added", "friend_removed"])
def test_what_is_no_interest_resets_nothing(told: Callable[..., Scene], event: str) -> None:
    scene = told(silence=LADDER)
    for number in ("1", "2", "3"):
        scene.ask(number)
        scene.receipt("delivered", number, at="0s")
    scene.at("1h")
    more = {"initiated_by": "customer"} if event == "friend_added" else {}
    scene.hear(event, **more)
    scene.ask("4", if_not_now="deny")
    scene.expect("4", "denied silence_backoff silence +5d")


@pytest.mark.rule("R3.7")
def test_the_rung_is_reached_to_the_millisecond_by_reservations_too() -> None:
    silence = Silence(
        kinds=MARKETING, ignored=3, first_ms=5 * DAY, factor=2.0, longest_ms=180 * DAY
    )
    person = Person(policy(silence=silence, **validity(HOUR)))
    at_ms = NOON
    for gap in (0, 0, 5, 10, 20):
        person.at(at_ms)
        person.approved(Kind.DIRECT)  # no receipt ever: it counts at its last moment
        at_ms += gap * DAY + (HOUR if gap else 0)
        if gap:
            assert person.at(at_ms - 1).ask(Kind.DIRECT, deny=True).eligible_at_ms == at_ms


@pytest.mark.rule("R3.11")
@pytest.mark.parametrize(("early_ms", "reason"), [(0, "ok"), (1, "silence_backoff")])
def test_interest_answers_the_contact_of_its_own_millisecond_and_no_later_one(
    early_ms: int, reason: str
) -> None:
    once = Silence(kinds=MARKETING, ignored=1, first_ms=5 * DAY, factor=2.0, longest_ms=9 * DAY)
    person = Person(policy(silence=once))
    person.delivered(person.approved(Kind.DIRECT))
    person.after(HOUR).engaged(NOON - early_ms)
    assert person.ask(Kind.DIRECT, deny=True).reason == reason


@pytest.mark.rule("R3.9")
@pytest.mark.parametrize("kind", [Kind.TRANSACTIONAL, Kind.REPLY, Kind.TRANSFER])
def test_answers_and_notices_are_never_ignored_marketing(kind: Kind) -> None:
    """Though the policy lists every kind: silence counts none that it cannot bind."""
    everything = Silence(kinds=127, ignored=3, first_ms=5 * DAY, factor=2.0, longest_ms=180 * DAY)
    person = Person(policy(silence=everything, remember_ms=HOUR, **validity(1)))
    for _ in range(3):
        person.delivered(person.approved(kind))
        if kind is Kind.TRANSFER:
            person.transfer_failed("a", "b")
    assert person.ask(Kind.DIRECT, deny=True).outcome == "approved"
    person.after(DAY)  # by now they are forgotten
    assert person.ask(Kind.DIRECT, deny=True).outcome == "approved"
