"""Events as producers write them and readers take them, with as few words as a test needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from typing import Protocol

    class Valued(Protocol):
        """A record, wherever it was read."""

        @property
        def value(self) -> bytes | None: ...


def event(event_id: str, event_type: str, data: dict[str, Any], source: str = "tests") -> bytes:
    """One CloudEvent; `event_type` without `decorum.` and `.v1`."""
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": event_id,
            "source": source,
            "type": f"decorum.{event_type}.v1",
            "data": data,
        }
    )


def intent(
    event_id: str, enterprise: str, account: str, customers: list[str], kind: str, **more: Any
) -> bytes:
    """An intent; `more` are further fields of `data`."""
    data = {
        "enterprise_id": enterprise,
        "account_id": account,
        "kind": kind,
        "customer_ids": customers,
    }
    return event(event_id, "intent", data | more)


def key(enterprise: str, name: str) -> bytes:
    """A record's key: of an account or of a customer."""
    return f"{enterprise}/{name}".encode()


def policy(enterprise: str, version: int = 1, **sections: Any) -> dict[str, Any]:
    """A policy document that governs nothing but what `sections` say."""
    return {"policy": "flow", "version": version, "enterprise": enterprise} | sections


def data_of(record: Valued) -> dict[str, Any]:
    """The `data` of an event of ours. Raises KeyError or ValueError where there is none."""
    data: dict[str, Any] = orjson.loads(record.value or b"{}")["data"]
    return data
