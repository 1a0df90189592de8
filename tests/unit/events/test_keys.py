"""Record keys, and what they are taken apart into."""

from __future__ import annotations

import pytest

from streams.events.decode import decode_interaction
from streams.events.envelope import Rejected
from streams.events.keys import account_key, customer_key, key_of, parts_of

DATA = b'"enterprise_id": "acme", "account_id": "xiaoer-08", "occurred_at_ms": 1795312800123'
EVENT = b'{"specversion": "1.0", "id": "1", "source": "s", "type": "decorum.%s.v1", "data": {%s}}'


def test_keys_are_joined_by_a_slash() -> None:
    assert customer_key("acme", "wm-2") == b"acme/wm-2"
    assert account_key("acme", "xiaoer-08") == b"acme/xiaoer-08"


def test_an_interaction_belongs_to_its_customer() -> None:
    event = decode_interaction(EVENT % (b"blocked", DATA + b', "customer_id": "wm-2"'))
    assert not isinstance(event, Rejected)
    assert key_of(event) == b"acme/wm-2"


def test_an_account_event_belongs_to_its_account() -> None:
    event = decode_interaction(EVENT % (b"account_status", DATA + b', "status": "active"'))
    assert not isinstance(event, Rejected)
    assert key_of(event) == b"acme/xiaoer-08"


def test_a_key_comes_apart_as_it_was_joined() -> None:
    assert parts_of(customer_key("acme", "wm:2@x=.")) == ("acme", "wm:2@x=.")


@pytest.mark.parametrize("key", [b"acme", b"a/b/c", b"\xff/a"])
def test_other_bytes_are_no_key(key: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parts_of(key)
