"""The demo's sender and its customers: what happens to an approved message.

The sender obeys the contract: it sends an approved message once and never after `send_by_ms`, and
says what became of it. Receipts may be late, repeated or missing; customers may click, complain,
block or opt out, and their programs tell of it twice at times. All of it is drawn from the
decision's id, so that a message has one fate.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any, Final

from streams.demo.campaigns import BAIT_REF, DRAW_REF
from streams.demo.day import HOUR_MS, MINUTE_MS, interaction
from streams.demo.programs import MARKETING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from streams.demo.day import Event

# Shares of messages, and of the requests that are answered.
FAILS: Final = 0.03
LATE: Final = 0.03
REPEATED: Final = 0.03
LOST: Final = 0.01
CLICKS: Final = 0.15
COMPLAINS: Final = 0.0003
BLOCKS: Final = 0.0003
OPTS_OUT: Final = 0.0005
RUDE: Final = {DRAW_REF: 0.06, BAIT_REF: 0.12}
"""How many complain about what should never have been sent."""
ANSWERS: Final = 0.5
ACCEPTS: Final = 0.4

SOURCE: Final = "sender"
CUSTOMERS: Final = "wecom"


class Sender:
    """Sends what is approved. `sent` and `too_late` count messages, `repeats` second copies."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.sent = 0
        self.too_late = 0
        self.repeats = 0
        self._known: set[str] = set()

    def send(self, message: Mapping[str, Any], now_ms: int) -> list[Event]:
        """Send one approved message now: its receipts, and what its customer does about it."""
        name = message["decision_id"]
        if name in self._known:
            self.repeats += 1
            return []
        self._known.add(name)
        random = Random(f"{self.seed}/{name}")
        if now_ms > message["send_by_ms"]:
            self.too_late += 1
            return list(_receipts(message, now_ms, random, "not_sent"))
        if message["kind"] != "reply" and random.random() < FAILS:
            reason = random.choice(("not_friend", "already_received", "other"))
            return list(_receipts(message, now_ms, random, reason))
        self.sent += 1
        return [*_receipts(message, now_ms, random), *_reactions(message, now_ms, random)]


def _receipts(
    message: Mapping[str, Any], now_ms: int, random: Random, failed: str | None = None
) -> Iterator[Event]:
    """One receipt most of the time: at once or hours late, sometimes twice, sometimes never."""
    data = {**_who(message), "decision_id": message["decision_id"]}
    if failed:
        data["reason"] = failed
    what = "failed" if failed else "delivered"
    receipt = interaction(now_ms, SOURCE, f"{message['decision_id']}.{what}", what, data)
    drawn = random.random()
    if drawn < LOST and not failed:
        return
    if drawn < LOST + LATE:
        receipt = receipt._replace(at_ms=now_ms + random.randrange(HOUR_MS, 6 * HOUR_MS))
    yield receipt
    if drawn > 1 - REPEATED:
        yield receipt._replace(at_ms=receipt.at_ms + random.randrange(HOUR_MS))


def _reactions(message: Mapping[str, Any], now_ms: int, random: Random) -> Iterable[Event]:
    """What the customer does about a message that came."""
    drawn = random.random()
    if message["kind"] == "friend_request":
        return [_answer(message, now_ms, random)] if drawn < ANSWERS else []
    if message["kind"] not in MARKETING:
        return []
    for what, share, more in (
        ("complained", _complaints(message), {"decision_id": message["decision_id"]}),
        ("engaged", CLICKS, {"action": "click"}),
        ("blocked", BLOCKS, {}),
        ("consent", OPTS_OUT, {"kinds": MARKETING, "allowed": False}),
    ):
        if drawn < share:
            told = _reaction(message, now_ms, random, what, more)
            return [told, told] if random.random() < REPEATED else [told]
        drawn -= share
    return []


def _complaints(message: Mapping[str, Any]) -> float:
    return RUDE.get(message.get("content_ref") or "", COMPLAINS)


def _answer(message: Mapping[str, Any], now_ms: int, random: Random) -> Event:
    if random.random() < ACCEPTS:
        more = {"initiated_by": "account"}
        return _reaction(message, now_ms, random, "friend_added", more)
    return _reaction(message, now_ms, random, "friend_refused", {})


def _reaction(
    message: Mapping[str, Any], now_ms: int, random: Random, what: str, more: Mapping[str, Any]
) -> Event:
    at_ms = now_ms + random.randrange(MINUTE_MS, HOUR_MS)
    name = f"{message['decision_id']}.{what}"
    return interaction(at_ms, CUSTOMERS, name, what, {**_who(message), **more})


def _who(message: Mapping[str, Any]) -> dict[str, str]:
    return {"account_id": message["account_id"], "customer_id": message["customer_id"]}
