"""Whatever happens, and wherever it stops: a crash between two steps or inside a batch changes
nothing of what is said, and the balance holds at every step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.topics import DECISIONS, INTENTS, INTERACTIONS, TOPICS
from tests.flows import events
from tests.flows.scene import Scene
from tests.flows.test_flows import check_balance
from tests.flows.world import DriverWorld

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

KINDS = ["direct", "broadcast", "moment", "transactional", "reply", "friend_request"]
POLICY: dict[str, Any] = {
    "windows": [
        {
            "id": "two",
            "kinds": ["direct", "broadcast"],
            "scope": "enterprise",
            "limit": 2,
            "rolling": "2h",
            "min_gap": "10m",
        },
        {"id": "day", "kinds": ["moment"], "scope": "account", "limit": 1, "calendar": "day"},
    ],
    "quiet_hours": {"kinds": ["direct"], "from": "21:30", "to": "08:30"},
    "silence": {"kinds": ["broadcast"], "ignored": 2, "first": "3h", "factor": 2, "longest": "1d"},
    "suppression": {"kinds": ["direct"], "account": "1d", "enterprise": "1h"},
    "reply": {"credits": 1, "within": "5h"},
    "consent": {"ask_first": ["friend_request"]},
    "deadline": {"default": "6h"},
    "max_held": 2,
}
customers = st.sampled_from(["ann", "bob", "eve"])
accounts = st.sampled_from(["xiaoer", "wang"])

asks = st.tuples(
    st.just("ask"),
    st.integers(0, 12).map("i{}".format),
    st.lists(customers, min_size=1, max_size=3),
    st.sampled_from(KINDS),
    accounts,
    st.sampled_from([{}, {"if_not_now": "deny"}, {"priority": 90}]),
)
notes = st.tuples(
    st.just("hear"),
    st.sampled_from(
        [
            ("message_received", {}),
            ("engaged", {"action": "click"}),
            ("complained", {}),
            ("blocked", {}),
            ("consent", {"allowed": False}),
            ("consent", {"allowed": True, "kinds": ["direct", "friend_request"]}),
            ("erase", {}),
        ]
    ),
    customers,
    accounts,
)
receipts = st.tuples(
    st.just("receipt"), st.sampled_from(["delivered", "failed"]), st.integers(0, 40)
)
moves = st.tuples(st.just("move"), st.sampled_from([1, 60_000, 3_600_000, 30_000_000]))
poison = st.tuples(
    st.just("poison"), st.sampled_from([INTENTS, INTERACTIONS]), st.binary(max_size=20)
)
steps = st.lists(st.one_of(asks, asks, asks, notes, receipts, moves, poison), max_size=25)
Step = tuple[Any, ...]


class StumblingWorld(DriverWorld):
    """A world whose stages fail at some of their calls, after all work and before the commit."""

    def __init__(self, stumbles: Collection[int]) -> None:
        super().__init__(partitions=2)
        self._stumbles, self._calls = stumbles, 0
        for stage in self.stages:
            for name in ("on_records", "on_timers"):
                setattr(stage, name, self._stumbling(getattr(stage, name)))

    def _stumbling(self, work: Callable[..., Any]) -> Callable[..., Any]:
        def stumbling(*arguments: Any) -> Any:
            outputs = list(work(*arguments))
            self._calls += 1
            if self._calls in self._stumbles:
                raise InterruptedError
            return outputs

        return stumbling

    def settle(self) -> None:
        self._until_done(super().settle)

    def advance(self, to_ms: int) -> None:
        self._until_done(lambda: super(StumblingWorld, self).advance(to_ms))

    def _until_done(self, work: Callable[[], None]) -> None:
        while True:
            try:
                return work()
            except InterruptedError:
                continue


def play(plot: list[Step], world: DriverWorld, crashes: Collection[int] = ()) -> None:
    scene = Scene(world, "acme")
    scene.policy(1, **POLICY)
    for number, step in enumerate(plot):
        _STEPS[step[0]](scene, number, *step[1:])
        check_balance(world)
        if number in crashes:
            world.crash()
    scene.check()


def _ask(  # noqa: PLR0917 - a step
    scene: Scene, _: int, name: str, who: list[str], kind: str, account: str, more: dict[str, Any]
) -> None:
    scene.ask(name, *who, kind=kind, account=account, **more)


def _hear(scene: Scene, number: int, what: Any, customer: str, account: str) -> None:
    kind, more = what
    scene.hear(kind, customer, f"e{number // 2}", account_id=account, **more)


def _receipt(scene: Scene, _: int, what: str, which: int) -> None:
    decided = scene.everything(DECISIONS)
    if decided:
        about = decided[which % len(decided)]
        scene.receipt(what, about["intent_id"], about["customer_id"], event_id=f"r{which}")


def _move(scene: Scene, _: int, ms: int) -> None:
    scene.world.advance(scene.world.now_ms + ms)
    scene.rest()


def _poison(scene: Scene, number: int, topic: str, value: bytes) -> None:
    scene.put(topic, events.key("acme", str(number)), value)


_STEPS: dict[str, Callable[..., None]] = {
    "ask": _ask,
    "hear": _hear,
    "receipt": _receipt,
    "move": _move,
    "poison": _poison,
}


def said(world: DriverWorld) -> dict[tuple[str, int], list[tuple[bytes | None, bytes | None]]]:
    """What stands in each partition; approved messages of one account come from many customers'
    partitions, in no order between them.
    """
    found: dict[tuple[str, int], list[tuple[bytes | None, bytes | None]]] = {}
    for topic in TOPICS:
        if topic.direction == "out":
            for record in world.read(topic.name):
                found.setdefault((topic.name, record.partition), []).append(
                    (record.key, record.value)
                )
    for (name, _), records in found.items():
        if name != DECISIONS:
            records.sort(key=repr)
    return found


@pytest.mark.rule("R1.5", "R1.11", "R5.7")
@settings(max_examples=60, deadline=None)
@given(steps, st.sets(st.integers(0, 25)))
def test_a_crash_between_any_two_steps_changes_nothing(plot: list[Step], crashes: set[int]) -> None:
    steady, shaken = DriverWorld(2), DriverWorld(2)
    play(plot, steady)
    play(plot, shaken, crashes)
    assert said(shaken) == said(steady)


@pytest.mark.rule("R1.5", "R1.11")
@settings(max_examples=60, deadline=None)
@given(steps, st.sets(st.integers(1, 60)))
def test_a_crash_inside_any_batch_changes_nothing(plot: list[Step], stumbles: set[int]) -> None:
    steady, shaken = DriverWorld(2), StumblingWorld(stumbles)
    play(plot, steady)
    play(plot, shaken)
    assert said(shaken) == said(steady)
