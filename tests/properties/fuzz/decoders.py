"""The decoders: a value or a refusal for any bytes, the same one twice, never an exception."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st

from streams.core.customer.compile import compile_rules
from streams.core.customer.customer import Customer
from streams.core.customer.dry_run import Question, dry_run
from streams.core.customer.ledger import Contact, load
from streams.core.customer.view import view_of
from streams.events.decode import decode_control, decode_intent, decode_interaction
from streams.events.envelope import MAX_ERROR, Rejected
from streams.policy.parse import parse_policy
from tests.properties.fuzz.target import Target
from tests.properties.fuzz.values import anything, events, policies, records, spoilt

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.core.policy import Policy

REASONS: Final = {"not_utf8", "not_json", "invalid", "unknown_type", "too_large"}
LONGEST_FAULT: Final = 500
"""Characters of one fault of a policy: its path, of which each step is bounded, and a sentence."""

MOMENTS_MS: Final = (0, 1_893_974_400_000, 4_102_444_800_000)
"""1970, 2030 and 2100: an accepted policy has to be usable at any time."""


def _decoder(decode: Callable[[bytes], Any]) -> Callable[[bytes], None]:
    def check(value: bytes) -> None:
        first = decode(value)
        assert decode(value) == first
        if isinstance(first, Rejected):
            assert first.reason in REASONS
            assert 0 < len(first.error) <= MAX_ERROR
            assert first.error.isprintable()

    return check


def _policy(document: object) -> None:
    policy, faults = parse_policy(document)
    assert parse_policy(document) == (policy, faults)
    assert (policy is None) == bool(faults)
    for fault in faults:
        assert len(str(fault)) <= LONGEST_FAULT
        assert str(fault).isprintable()
    if policy is not None:
        for now_ms in MOMENTS_MS:
            _use(policy, now_ms)


def _use(policy: Policy, now_ms: int) -> None:
    """Decide by it: for a stranger, and for somebody who was contacted a moment ago."""
    laws = compile_rules(policy)

    def desk() -> Customer:
        ledger = load(None)
        for kind in range(len(laws)):
            ledger.relationship("a").contacts.append(Contact(now_ms, 0, kind + 1, kind))
        opened = Customer(ledger, "e", "c", laws, now_ms)
        opened.expire()
        return opened

    view_of(desk())
    for account in ("a", "b"):
        dry_run(desk, Question(account, "spring"))


DECODERS: Final = (
    Target("intents", records(events("intent")), _decoder(decode_intent)),
    Target("interactions", records(events()), _decoder(decode_interaction)),
    Target("controls", records(events("control")), _decoder(decode_control)),
    Target("policies", st.one_of(spoilt(policies()), anything), _policy),
)
