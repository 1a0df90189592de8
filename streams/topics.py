"""The one place that names a topic, with its key, value, partitions and cleanup.

Creation, checks and documentation come from this table. It must never talk to Kafka: that is
`topics`. Logical names are the contract's; physical names carry `DECORUM_PREFIX`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from streams.core.kinds import KIND_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Cleanup = Literal["delete", "compact"]
Direction = Literal["in", "out", "internal"]

INTENTS: Final = "outbound-intents"
INTERACTIONS: Final = "interactions"
POLICIES: Final = "policies"
CONTROLS: Final = "controls"
DECISIONS: Final = "decisions"
ACCOUNT_LIMITS: Final = "account-limits"
CAMPAIGN_STATUS: Final = "campaign-status"
ENTERPRISE_LIMITS: Final = "enterprise-limits"
LIMIT_CHANGES: Final = "limit-changes"
DEAD_LETTERS: Final = "dead-letters"
CANDIDATES: Final = "decorum-candidates"
ACCOUNT_STATE: Final = "decorum-account-state"
CUSTOMER_STATE: Final = "decorum-customer-state"
RULES_STATE: Final = "decorum-rules-state"
SWEEPS: Final = "decorum-sweeps"
ACCOUNT_NEWS: Final = "decorum-account-news"

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

# Recovery reads a changelog from its beginning, so its length is the length of an outage.
# The newest segment is never compacted: small segments keep that rest small. Compaction starts at
# a fifth of superseded records rather than half, and no superseded or erased value outlives a few
# hours, however quiet the topic is (that also rolls the newest segment).
CHANGELOG_SETTINGS: Final = {
    "segment.bytes": str(64 * MIB),
    "min.cleanable.dirty.ratio": "0.2",
    "max.compaction.lag.ms": str(6 * HOUR_MS),
}
# Followers read these from the beginning as well, but they are small and change seldom.
TABLE_SETTINGS: Final = {"max.compaction.lag.ms": str(DAY_MS)}
# Retention goes by the record's time. A producer with a clock years behind would have its intents
# deleted before anybody decided them: the broker's own time of arrival cannot be wrong that way.
INPUT_SETTINGS: Final = {"message.timestamp.type": "LogAppendTime"}


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic as the contract has it. `partitions` None means `DECORUM_PARTITIONS`."""

    name: str
    direction: Direction
    key: str
    value: str
    """The CloudEvents type, or one line for internal topics."""
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


def approved(kind_name: str) -> str:
    """The logical topic of approved messages of a kind: `friend_request` and `friend-request`
    both give `approved.friend-request`. Raises ValueError for an unknown kind.
    """
    kind = kind_name.replace("-", "_")
    if kind not in KIND_NAMES:
        raise ValueError(f"{kind_name!r} is no kind of message")
    return f"approved.{kind.replace('_', '-')}"


def _input(name: str, key: str, value: str) -> Topic:
    return Topic(
        name, "in", key, value, "delete", None, INPUT_RETENTION_MS, RECORD_BYTES, INPUT_SETTINGS
    )


def _rules(name: str, key: str, value: str) -> Topic:
    """Few and small, and their order counts for everybody: one partition, every version kept."""
    return Topic(name, "in", key, value, "compact", 1, None, RECORD_BYTES, TABLE_SETTINGS)


def _stream(name: str, key: str, value: str, retention_ms: int) -> Topic:
    return Topic(name, "out", key, value, "delete", None, retention_ms)


def _table(name: str, key: str, value: str) -> Topic:
    return Topic(name, "out", key, value, "compact", settings=TABLE_SETTINGS)


def _changelog(name: str, value: str, partitions: int | None = None) -> Topic:
    return Topic(
        name,
        "internal",
        "state key",
        value,
        "compact",
        partitions,
        None,
        RECORD_BYTES,
        CHANGELOG_SETTINGS,
    )


ACCOUNT_KEY: Final = "enterprise/account"
CUSTOMER_KEY: Final = "enterprise/customer"

TOPICS: Final[tuple[Topic, ...]] = (
    _input(INTENTS, ACCOUNT_KEY, "decorum.intent.v1"),
    _input(
        INTERACTIONS,
        f"{CUSTOMER_KEY} ({ACCOUNT_KEY} for account events)",
        "decorum.message_received.v1 and its siblings",
    ),
    _rules(POLICIES, "enterprise/version", "decorum.policy.v1"),
    _rules(CONTROLS, "the control's scope", "decorum.control.v1"),
    # Messages may be held for days before they are approved, and sent for days after it.
    *(
        _stream(approved(kind), ACCOUNT_KEY, "decorum.approved.v1", INPUT_RETENTION_MS)
        for kind in KIND_NAMES
    ),
    _stream(DECISIONS, CUSTOMER_KEY, "decorum.decision.v1", ANSWER_RETENTION_MS),
    _table(ACCOUNT_LIMITS, ACCOUNT_KEY, "decorum.account_limits.v1"),
    _table(CAMPAIGN_STATUS, "enterprise/campaign", "decorum.campaign_status.v1"),
    _table(ENTERPRISE_LIMITS, "enterprise", "decorum.enterprise_limits.v1"),
    _stream(LIMIT_CHANGES, ACCOUNT_KEY, "decorum.limit_change.v1", HISTORY_RETENTION_MS),
    Topic(
        DEAD_LETTERS,
        "out",
        "the input's key",
        "decorum.dead_letter.v1",
        "delete",
        None,
        ANSWER_RETENTION_MS,
        DEAD_LETTER_BYTES,
    ),
    Topic(
        CANDIDATES,
        "internal",
        CUSTOMER_KEY,
        "what the account stage lets the customer stage decide",
        "delete",
        None,
        INPUT_RETENTION_MS,
        RECORD_BYTES,
    ),
    Topic(
        SWEEPS,
        "internal",
        "none: written to every partition",
        "word that held intents must be looked at again",
        "delete",
        None,
        INPUT_RETENTION_MS,
    ),
    Topic(
        ACCOUNT_NEWS,
        "internal",
        f"{ACCOUNT_KEY}, enterprise/campaign/NAME, enterprise//, none: for every partition",
        "what accounts, campaigns and enterprises learn from the customer stage and each other",
        "delete",
        None,
        INPUT_RETENTION_MS,
        RECORD_BYTES,
    ),
    _changelog(ACCOUNT_STATE, "the account stage's state, timers and watermarks"),
    _changelog(CUSTOMER_STATE, "the customer stage's state, timers and watermarks"),
    _changelog(RULES_STATE, "policies and controls in force, and their watermarks", 1),
)


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


@dataclass(frozen=True, slots=True)
class Existing:
    """What the cluster says about one topic."""

    partitions: int
    cleanup: str


def mismatches(existing: Mapping[str, Existing], names: Topics, partitions: int) -> list[str]:
    """One line for each topic that is missing or is not as the table says.

    All keyed topics must have the same number of partitions: stages read several of them together
    and write to the partition number they read from, so one that differs would split a customer.
    """
    return [
        line
        for topic in TOPICS
        for line in _faults(topic, names.physical(topic.name), existing, partitions)
    ]


def _faults(
    topic: Topic, name: str, existing: Mapping[str, Existing], partitions: int
) -> Iterable[str]:
    found = existing.get(name)
    if found is None:
        yield f"{name}: missing, or hidden from this user (`decorum acls`)"
        return
    wanted = topic.partition_count(partitions)
    if found.partitions != wanted:
        yield f"{name}: has {found.partitions} partitions, needs {wanted}"
    if found.cleanup != topic.cleanup:
        yield f"{name}: cleanup.policy is {found.cleanup!r}, needs {topic.cleanup!r}"
