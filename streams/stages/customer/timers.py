"""A customer's timer: its name carries all that is needed to order timers and to find the customer.

Each customer with held requests has one timer, for the request that is due next. Its name is 1 byte
of urgency (100 − priority), 8 bytes of `accepted_ms` (big-endian), and the customer's key. Timers
due in the same millisecond fire in the order of their names: the most urgent first, then the
oldest.

Rules of this file: the only place that knows this layout.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from streams.core.kinds import MOST_URGENT
from streams.stages.state_keys import SWEEP_TIMER

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streams.core.customer.held import Wake
    from streams.runtime.state import State

_ACCEPTED: Final = slice(1, 9)
_KEY: Final = slice(9, None)
_SWEEP: Final = SWEEP_TIMER[0]
"""Sweeps' timers begin with this byte, which is above all urgencies."""


def timer_name(wake: Wake, key: bytes) -> bytes:
    """The name of the timer that wakes this customer."""
    return bytes((MOST_URGENT - wake.priority,)) + wake.accepted_ms.to_bytes(8, "big") + key


def customer_of(name: bytes) -> bytes:
    """The customer's key in a timer's name."""
    return name[_KEY]


def waiting_customers(state: State) -> list[bytes]:
    """The keys of the partition's customers with a timer, in the order of the timers' names."""
    return [customer_of(name) for name in state.timer_names() if name[0] != _SWEEP]


def oldest_accepted_ms(names: Iterable[bytes]) -> int | None:
    """When the oldest request was accepted that these timers wait for; None: they are sweeps'."""
    accepted = (name[_ACCEPTED] for name in names if name[0] != _SWEEP)
    oldest = min(accepted, default=None)
    return None if oldest is None else int.from_bytes(oldest, "big")
