"""Notes of `policy check`: what each says of a section that is not written is what happens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from streams.policy.files import packaged
from streams.policy.notes import notes
from streams.policy.parse import parse_policy
from streams.topics import CAMPAIGN_STATUS
from tests.flows import events

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.flows.scene import Scene

NIGHT: Final = {"kinds": ["direct"], "from": "21:30", "to": "08:30"}
PACING: Final = dict.fromkeys(("new", "green", "amber", "red"), "1/s") | {"burst": "1s"}


def note(section: str) -> str:
    """What is noted where that section alone is not written."""
    policy, faults = parse_policy(events.policy("acme", 1))
    assert policy is not None, faults
    found = [line for line in notes(policy) if line.startswith(f"{section}: not written; ")]
    assert len(found) == 1
    return found[0].partition("; ")[2]


@pytest.mark.rule("R9.12")
def test_reply(told: Callable[..., Scene]) -> None:
    assert note("reply") == "replies need no message before them, and there may be any number"
    scene = told()
    for number in range(7):
        scene.ask(str(number), kind="reply")
        scene.expect(str(number), "approved ok")


@pytest.mark.rule("R9.12")
def test_quiet_hours(told: Callable[..., Scene]) -> None:
    assert note("quiet_hours") == (
        "messages go out at any hour, also in quiet hours that a customer told"
    )
    scene = told()
    scene.hear("consent", allowed=True, quiet_hours={"from": "09:00", "to": "20:00"})
    scene.ask("1")
    scene.expect("1", "approved ok")


@pytest.mark.rule("R9.12")
def test_consent(told: Callable[..., Scene]) -> None:
    assert note("consent") == (
        "no kind needs a consent before the first message; an opt-out binds all the same"
    )
    scene = told()
    scene.ask("1")
    scene.expect("1", "approved ok")
    scene.hear("consent", allowed=False)
    scene.ask("2")
    scene.expect("2", "denied no_consent consent")


@pytest.mark.rule("R9.12")
def test_suppression_and_friends(told: Callable[..., Scene]) -> None:
    assert note("suppression") == (
        "a complaint silences nobody, nor does a block where `friends` is not written either"
    )
    assert note("friends") == (
        "who never was a contact of the account, or removed it, is written to like the others"
    )
    scene = told()
    scene.hear("complained")
    scene.hear("blocked")
    scene.ask("1")
    scene.expect("1", "approved ok")
    scene.policy(2, friends={"required": False})
    scene.at("1s")
    scene.ask("2")
    scene.expect("2", "denied not_friend friends")


@pytest.mark.rule("R9.12")
def test_pacing(told: Callable[..., Scene]) -> None:
    assert note("pacing") == (
        "accounts send as fast as they can, under an operator's `brake` as well"
    )
    scene = told()
    scene.control("acme", action="brake")
    scene.at("1s")
    names = [f"c{number}" for number in range(50)]
    scene.ask("1", *names, kind="broadcast")
    assert {tuple(scene.story("1", name)) for name in names} == {("approved ok",)}


@pytest.mark.rule("R9.12")
def test_canary(told: Callable[..., Scene]) -> None:
    assert note("canary") == "campaigns start for everybody at once, and complaints stop none"
    scene = told()
    names = [f"c{number}" for number in range(50)]
    more: dict[str, Any] = {"kind": "broadcast", "campaign_id": "spring", "campaign_size": 90_000}
    scene.ask("1", *names, **more)
    assert {tuple(scene.story("1", name)) for name in names} == {("approved ok",)}
    for name in names:
        scene.receipt("delivered", "1", name)
        scene.hear("complained", name)
    scene.ask("2", "late", **more)
    scene.expect("2", "approved ok", customer="late")
    assert scene.everything(CAMPAIGN_STATUS)[-1]["phase"] == "full"


@pytest.mark.rule("R9.12", "R3.6", "R4.18", "R4.19")
@pytest.mark.parametrize("kind", ["reply", "transactional", "transfer"])
def test_what_passes_a_section_passes_it(told: Callable[..., Scene], kind: str) -> None:
    kinds = ["direct", "broadcast", "moment", kind]
    sections: dict[str, Any] = {
        "pacing": PACING | {"kinds": kinds},
        "quiet_hours": NIGHT | {"from": "00:00", "to": "23:59", "kinds": kinds},
        "canary": packaged()[0]["canary"] | {"kinds": kinds},
        "holdout": {"share": "99.99999999%", "kinds": kinds},
    }
    policy, faults = parse_policy(events.policy("acme", 1, **sections))
    assert policy is not None, faults
    told_of = notes(policy)
    scene = told(**sections)
    for section in sections:
        assert f"{section}: {kind} passes it always" in told_of
    for number in range(9):
        scene.ask(str(number), f"c{number}", kind=kind, to_account_id="other", campaign_id="x")
        scene.expect(str(number), "approved ok", customer=f"c{number}")


@pytest.mark.rule("R9.12")
@pytest.mark.parametrize("scope", ["account", "campaign"])
def test_a_limit_that_is_not_over_all_is_noted(told: Callable[..., Scene], scope: str) -> None:
    rule = {"id": "w", "kinds": ["broadcast"], "scope": scope, "limit": 1, "rolling": "7d"}
    policy, _ = parse_policy(events.policy("acme", 1, windows=[rule]))
    assert policy is not None
    told_of = [line for line in notes(policy) if "broadcast" in line]
    assert told_of == [
        "windows: broadcast has no limit of scope enterprise, over all accounts and campaigns"
    ]
    scene = told(windows=[rule])
    for number in range(3):
        scene.ask(str(number), kind="broadcast", account=f"a{number}", campaign_id=f"c{number}")
        scene.expect(str(number), "approved ok")
