"""Every key of the stages' states, and every name of their timers, in one table.

===================  ==========================================================================
account stage
===================  ==========================================================================
`E/A`                an account's state (`core.account.state`)
`E/campaign/C`       a campaign's state
`E//`                an enterprise's state
`/pace/` `E/A`       what the account's queue remembers (`core.account.case.QueueState`)
`/turn/` `E/A/` g    whose turn it is in the queue; g: a priority, and a group's name
`/slice/` `E/A/` n   a slice that waits; n: its number
`/names/` `E/A/` n   the customers who wait in it; n: its number and that of the part
`/word/` key         what every partition knows of a campaign or an enterprise, by its key
`/due/` key          when a campaign's timer is set, by its key
`progress`           how far an intent has come that one batch could not finish
`balance`            the balance of intents, in both stages
-------------------  --------------------------------------------------------------------------
customer stage
-------------------  --------------------------------------------------------------------------
`E/K`                a customer's ledger
`status/` `E/A`      an account's status and brake
`killed/` `E/C`      a campaign that was stopped for good
`erased:` mark       a customer who was forgotten; the mark is 16 bytes
-------------------  --------------------------------------------------------------------------
rules stage
-------------------  --------------------------------------------------------------------------
`policy/` `E/` v     a version of a policy
`control/` scope     an operator's control
`generation`         counts the batches that changed something
===================  ==========================================================================

E, A, C and K are identifiers, which are not empty and hold no `/`. So nothing that begins with `/`,
holds none, or holds a second one is the key of an account or a customer; of these only
`E/campaign/C` is a campaign's. A digest may hold any byte, but `erased:` and 16 bytes are no text
of a customer's key. Keys of different stages never meet. Those that begin with a zero byte are the
runtime's. Rules of this file: names only; what stands under them is their owners'.
"""

from __future__ import annotations

from typing import Final

BALANCE: Final = b"balance"

# --- the account stage ----------------------------------------------------------------------------

QUEUE_STATE: Final = b"/pace/"
TURN: Final = b"/turn/"
SLICE: Final = b"/slice/"
NAMES: Final = b"/names/"
SHARED: Final = b"/word/"
DUE: Final = b"/due/"
PROGRESS: Final = b"progress"

EXPIRY_TIMER: Final = b"x"
DRAIN_TIMER: Final = b"d"
REVIEW_TIMER: Final = b"r"
"""Names of timers begin with one of these; an account's key follows."""

CAMPAIGN_TIMER: Final = b"c"
ENTERPRISE_TIMER: Final = b"e"
"""As above; a campaign's or an enterprise's key follows."""

# --- the customer stage ---------------------------------------------------------------------------

STATUS: Final = b"status/"
KILLED: Final = b"killed/"
ERASED: Final = b"erased:"

# --- the rules stage ------------------------------------------------------------------------------

POLICY: Final = b"policy/"
CONTROL: Final = b"control/"
GENERATION: Final = b"generation"

# --- both stages' timers --------------------------------------------------------------------------

SWEEP_TIMER: Final = b"\xff"
"""Begins the names of sweeps' timers. Those of held intents begin with an urgency of 0 to 100, and
those of the account stage with a letter."""


def is_account(key: bytes) -> bool:
    """Whether a key of the account stage's state is an account's."""
    return key.count(b"/") == 1


def is_campaign(key: bytes) -> bool:
    """Whether a key of the account stage's state is a campaign's."""
    return not key.startswith(b"/") and key.count(b"/campaign/") == 1
