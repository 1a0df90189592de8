"""The only place that names a topic, with its key, value, partitions and cleanup.

Creation, checks, access rights and documentation come from this table. Rules of this file: it never
talks to Kafka (`admin.topics` does). Logical names are the contract's; physical names begin with
`DECORUM_PREFIX`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from streams.core.kinds import KIND_NAMES

if TYPE_CHECKING:
    from collections.abc import Mapping

Cleanup = Literal["delete", "compact"]
Direction = Literal["in", "out", "internal"]

DAY_MS: Final = 24 * 3600 * 1000
HOUR_MS: Final = 3600 * 1000
MIB: Final = 1024 * 1024

# A worker that is down over a long weekend must find everything it has not decided yet.
INPUT_RETENTION_MS: Final = 7 * DAY_MS
# Answers are asked for later ("why did she get this?"), at least over one billing month.
ANSWER_RETENTION_MS: Final = 30 * DAY_MS
# Ceilings move slowly: a quarter shows the whole way of an account.
HISTORY_RETENTION_MS: Final = 90 * DAY_MS

# A producer's default limit is 1 MiB a record; 4 MiB leaves room for larger batches, and what is
# too large for us still arrives and becomes a dead letter instead of an error at the producer.
RECORD_BYTES: Final = 4 * MIB
# A dead letter carries key and value as base64, a third longer: it must hold the largest input.
DEAD_LETTER_BYTES: Final = 8 * MIB

# Restoring reads a changelog from its beginning, so its length is the length of an outage.
# Kafka never compacts the newest segment: small segments keep that part small. Compaction starts
# when a fifth is superseded rather than half, and no superseded or erased value outlives a few
# hours, however quiet the topic is (the lag also rolls the newest segment).
CHANGELOG_SETTINGS: Final = {
    "segment.bytes": str(64 * MIB),
    "min.cleanable.dirty.ratio": "0.2",
    "max.compaction.lag.ms": str(6 * HOUR_MS),
}
# Global tables read these from the beginning as well, but they are small and change seldom.
TABLE_SETTINGS: Final = {"max.compaction.lag.ms": str(DAY_MS)}
# Retention goes by the record's time. A producer whose clock is years behind would have its intents
# deleted before they are decided; the broker's time of arrival has no such fault.
INPUT_TIME: Final = {"message.timestamp.type": "LogAppendTime"}


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic of the contract. `partitions` None: `DECORUM_PARTITIONS`."""

    name: str
    direction: Direction
    key: str
    value: str
    """The CloudEvents type; for internal topics, one line of description."""
    cleanup: Cleanup
    partitions: int | None = None
    retention_ms: int | None = None
    """How long records are kept; None for compacted topics, which keep the last of each key."""
    max_bytes: int | None = None
    """The largest record batch accepted; None: the broker's default of about 1 MiB."""
    settings: Mapping[str, str] = field(default_factory=dict, hash=False)

    def configuration(self) -> dict[str, str]:
        """Kafka's topic configuration to create it with."""
        configuration = {"cleanup.policy": self.cleanup, **self.settings}
        if self.retention_ms is not None:
            configuration["retention.ms"] = str(self.retention_ms)
        if self.max_bytes is not None:
            configuration["max.message.bytes"] = str(self.max_bytes)
        return configuration

    def partition_count(self, partitions: int) -> int:
        """How many partitions it has when keyed topics have `partitions`."""
        return partitions if self.partitions is None else self.partitions


_TABLE: Final[list[Topic]] = []


def _add(topic: Topic) -> str:
    _TABLE.append(topic)
    return topic.name


def _input(name: str, key: str, value: str) -> str:
    return _add(
        Topic(name, "in", key, value, "delete", None, INPUT_RETENTION_MS, RECORD_BYTES, INPUT_TIME)
    )


def _rules(name: str, key: str, value: str) -> str:
    """Few and small; every worker needs them in one order, so they have one partition."""
    return _add(Topic(name, "in", key, value, "compact", 1, None, RECORD_BYTES, TABLE_SETTINGS))


def _stream(name: str, key: str, value: str, retention_ms: int, bound: int | None = None) -> str:
    return _add(Topic(name, "out", key, value, "delete", None, retention_ms, bound))


def _table(name: str, key: str, value: str) -> str:
    return _add(Topic(name, "out", key, value, "compact", settings=TABLE_SETTINGS))


def _internal(name: str, key: str, value: str, bound: int | None = None) -> str:
    return _add(Topic(name, "internal", key, value, "delete", None, INPUT_RETENTION_MS, bound))


def _changelog(name: str, value: str, partitions: int | None = None) -> str:
    key, settings = "state key", CHANGELOG_SETTINGS
    return _add(
        Topic(name, "internal", key, value, "compact", partitions, None, RECORD_BYTES, settings)
    )


def approved(kind_name: str) -> str:
    """The logical topic of approved messages of a kind: `friend_request` and `friend-request`
    both give `approved.friend-request`. Raises ValueError for an unknown kind.
    """
    kind = kind_name.replace("-", "_")
    if kind not in KIND_NAMES:
        raise ValueError(f"{kind_name!r} is no kind of message")
    return f"approved.{kind.replace('_', '-')}"


_ACCOUNT: Final = "enterprise/account"
_CUSTOMER: Final = "enterprise/customer"

# ---- the table: each topic once, by its logical name -------------------------------------------

INTENTS: Final = _input("outbound-intents", _ACCOUNT, "decorum.intent.v1")
INTERACTIONS: Final = _input(
    "interactions",
    f"{_CUSTOMER} ({_ACCOUNT} for account events)",
    "decorum.message_received.v1 and its siblings",
)
POLICIES: Final = _rules("policies", "enterprise/version", "decorum.policy.v1")
CONTROLS: Final = _rules("controls", "the control's scope", "decorum.control.v1")

# Messages may be held for days before they are approved, and sent for days after it.
APPROVED: Final = tuple(
    _stream(approved(kind), _ACCOUNT, "decorum.approved.v1", INPUT_RETENTION_MS)
    for kind in KIND_NAMES
)
DECISIONS: Final = _stream("decisions", _CUSTOMER, "decorum.decision.v1", ANSWER_RETENTION_MS)
ACCOUNT_LIMITS: Final = _table("account-limits", _ACCOUNT, "decorum.account_limits.v1")
CAMPAIGN_STATUS: Final = _table(
    "campaign-status", "enterprise/campaign", "decorum.campaign_status.v1"
)
ENTERPRISE_LIMITS: Final = _table("enterprise-limits", "enterprise", "decorum.enterprise_limits.v1")
LIMIT_CHANGES: Final = _stream(
    "limit-changes", _ACCOUNT, "decorum.limit_change.v1", HISTORY_RETENTION_MS
)
DEAD_LETTERS: Final = _stream(
    "dead-letters",
    "the input's key",
    "decorum.dead_letter.v1",
    ANSWER_RETENTION_MS,
    DEAD_LETTER_BYTES,
)

CANDIDATES: Final = _internal(
    "decorum-candidates",
    _CUSTOMER,
    "what the account stage lets the customer stage decide",
    RECORD_BYTES,
)
SWEEPS: Final = _internal(
    "decorum-sweeps",
    "none: written to every partition",
    "which held intents must be decided again",
)
ACCOUNT_NEWS: Final = _internal(
    "decorum-account-news",
    f"{_ACCOUNT}, enterprise/campaign/NAME, enterprise//, none: for every partition",
    "what accounts, campaigns and enterprises learn from the customer stage and each other",
    RECORD_BYTES,
)
ACCOUNT_STATE: Final = _changelog(
    "decorum-account-state", "the account stage's state, timers and checkpoints"
)
CUSTOMER_STATE: Final = _changelog(
    "decorum-customer-state", "the customer stage's state, timers and checkpoints"
)
RULES_STATE: Final = _changelog(
    "decorum-rules-state", "policies and controls in force, and their checkpoints", 1
)

TOPICS: Final = tuple(_TABLE)


class Topics:
    """The physical names under one prefix."""

    def __init__(self, prefix: str = "") -> None:
        self.prefix = prefix
        self.intents = self.physical(INTENTS)
        self.interactions = self.physical(INTERACTIONS)
        self.policies = self.physical(POLICIES)
        self.controls = self.physical(CONTROLS)
        self.decisions = self.physical(DECISIONS)
        self.account_limits = self.physical(ACCOUNT_LIMITS)
        self.campaign_status = self.physical(CAMPAIGN_STATUS)
        self.enterprise_limits = self.physical(ENTERPRISE_LIMITS)
        self.limit_changes = self.physical(LIMIT_CHANGES)
        self.dead_letters = self.physical(DEAD_LETTERS)
        self.candidates = self.physical(CANDIDATES)
        self.account_state = self.physical(ACCOUNT_STATE)
        self.customer_state = self.physical(CUSTOMER_STATE)
        self.sweeps = self.physical(SWEEPS)
        self.account_news = self.physical(ACCOUNT_NEWS)
        self.rules_state = self.physical(RULES_STATE)

    def physical(self, logical: str) -> str:
        """The topic's name on the cluster."""
        return f"{self.prefix}{logical}"

    def logical(self, physical: str) -> str:
        """The contract's name of one of our topics on the cluster."""
        return physical.removeprefix(self.prefix)

    def approved(self, kind_name: str) -> str:
        """The physical topic of approved messages of a kind."""
        return self.physical(approved(kind_name))
