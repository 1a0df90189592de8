"""Campaigns and enterprises: small sums with an owner each, and a word of them for everybody.

Their keys live among the accounts' partitions. What changes the word is written to every partition,
which keeps it in its own state: so an account decides by a word it can find again after a crash.
Rules of this file: bytes, timers and outputs; phases and sums are the core's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from streams.core import campaign as campaigns
from streams.core import campaign_state
from streams.core import enterprise as enterprises
from streams.core.campaign_state import CampaignFacts, CampaignRelease, Phase
from streams.core.enterprise import EnterpriseTotals
from streams.events.internal import (
    CampaignBroadcast,
    EnterpriseBroadcast,
    Sweep,
    encode_news,
    encode_sweep,
)
from streams.events.keys import campaign_key, enterprise_key
from streams.events.limits import encode_campaign_status, encode_enterprise_limits
from streams.stages.routing import to_every_partition

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from streams.core.enterprise import EnterpriseFacts
    from streams.events.internal import News
    from streams.runtime.records import Output
    from streams.runtime.state import State
    from streams.stages.routing import Router
    from streams.stages.rules import Rules
    from streams.topics import Topics

CAMPAIGN: Final = b"c"
ENTERPRISE: Final = b"e"
"""The names of their timers begin so; the key follows."""

TELL_EVERY_MS: Final = 1_000
TELL_RATE_EVERY_MS: Final = 60_000
"""An enterprise's word goes to every partition at most so often: about its relations and room, and
about its reply rate alone."""

OUTAGE_MS: Final = 60_000
"""A timer so late says that nobody was at work: what came meanwhile is still to be read."""

_WORD: Final = b"/word/"
_DUE: Final = b"/due/"
_NOBODY: Final = EnterpriseTotals()

_encode = msgspec.msgpack.Encoder().encode
_decode_campaign = msgspec.msgpack.Decoder(CampaignRelease).decode
_decode_enterprise = msgspec.msgpack.Decoder(EnterpriseTotals).decode


def released_share(state: State, enterprise: str, campaign: str) -> float:
    """The share of a campaign's audience that is released, as far as is known here."""
    value = state.get(_WORD + campaign_key(enterprise, campaign))
    return 0.0 if value is None else _decode_campaign(value).released


class SharedTotals:
    """What this partition was told of campaigns and enterprises."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._campaigns: dict[tuple[str, str], CampaignRelease | None] = {}

    def campaign(self, enterprise: str, campaign: str) -> CampaignRelease | None:
        """How far a campaign may go; None before it is known here."""
        known, name = self._campaigns, (enterprise, campaign)
        if name not in known:
            value = self._state.get(_WORD + campaign_key(enterprise, campaign))
            known[name] = None if value is None else _decode_campaign(value)
        return known[name]

    def enterprise(self, enterprise: str) -> EnterpriseTotals:
        """What all its accounts hold together."""
        value = self._state.get(_WORD + enterprise_key(enterprise))
        return _NOBODY if value is None else _decode_enterprise(value)

    def assume(self, enterprise: str, campaign: str, release: CampaignRelease) -> None:
        """Go by this word from now on, until the owner's comes."""
        self._campaigns.clear()
        self._state.put(_WORD + campaign_key(enterprise, campaign), _encode(release))

    def told(self, news: CampaignBroadcast | EnterpriseBroadcast) -> None:
        """Take a word over."""
        if isinstance(news, EnterpriseBroadcast):
            self._state.put(_WORD + enterprise_key(news.enterprise), _encode(news.totals))
            return
        self._campaigns.clear()
        key = _WORD + campaign_key(news.enterprise, news.campaign)
        if news.release is None:
            self._state.delete(key)
        else:
            self._state.put(key, _encode(news.release))


class Aggregates:
    """The campaigns and enterprises whose keys are this partition's, in one batch."""

    def __init__(
        self, topics: Topics, router: Router, rules: Rules, state: State, now_ms: int
    ) -> None:
        self._topics, self._router, self._rules = topics, router, rules
        self._state, self._now_ms = state, now_ms
        self._campaigns: dict[bytes, list[CampaignFacts]] = {}

    def campaign(self, key: bytes, facts: CampaignFacts | None = None) -> None:
        """News of a campaign, or None to review it at the batch's end."""
        told = self._campaigns.setdefault(key, [])
        if facts is not None:
            told.append(facts)

    def due(self, key: bytes, due_ms: int) -> None:
        """A campaign's timer has come; late, if this partition was nobody's for a while."""
        if self._now_ms - due_ms > OUTAGE_MS:
            book = campaign_state.load(self._state.get(key))
            campaigns.restart_hold(book, self._now_ms)
            self._state.put(key, campaign_state.dump(book))
        self.campaign(key)

    def enterprise(self, key: bytes, facts: EnterpriseFacts) -> None:
        """News of an enterprise; its word follows."""
        book = enterprises.load(self._state.get(key))
        enterprises.apply_facts(book, facts, self._now_ms)
        self._state.put(key, enterprises.dump(book))
        counted = facts.relations or facts.room or facts.open
        every_ms = TELL_EVERY_MS if counted else TELL_RATE_EVERY_MS
        due_ms = (self._now_ms // every_ms + 1) * every_ms
        self._state.set_timer(due_ms, ENTERPRISE + key)

    def close(self) -> Iterator[Output]:
        """What there is to tell of the campaigns of this batch."""
        for key, facts in self._campaigns.items():
            yield from self._close(key, facts)

    def _close(self, key: bytes, facts: list[CampaignFacts]) -> Iterator[Output]:
        enterprise, _, name = key.decode().split("/")
        policy = self._rules.policy(enterprise, self._now_ms)
        rules = campaign_state.campaign_rules_of(policy)
        book = campaign_state.load(self._state.get(key))
        if not facts and campaigns.is_forgotten(book, self._now_ms):
            yield from self._forget(key, enterprise, name)
            return
        before = campaign_state.release_of(book) if book.noted_ms else None
        for one in facts:
            campaigns.apply_facts(book, rules, one, self._now_ms)
        campaigns.review(book, rules, self._now_ms)
        word = campaign_state.release_of(book)
        value = campaign_state.dump(book)
        self._set_timer(key, campaigns.next_review_ms(book, rules, self._now_ms))
        if value != self._state.get(key):
            self._state.put(key, value)
            status = campaigns.status_of(book, rules, self._now_ms)
            said = encode_campaign_status(enterprise, name, status, policy.version, self._now_ms)
            yield self._status(enterprise, name, said)
        if word != before:
            yield from self._tell(CampaignBroadcast(enterprise, name, word))
            if word.phase is Phase.KILLED:
                yield from self._tell_customers(enterprise, name, killed=True)

    def _forget(self, key: bytes, enterprise: str, name: str) -> Iterator[Output]:
        self._state.delete(key)
        self._set_timer(key, None)
        yield self._status(enterprise, name, None)
        yield from self._tell(CampaignBroadcast(enterprise, name, None))
        yield from self._tell_customers(enterprise, name, killed=False)

    def _tell_customers(self, enterprise: str, name: str, *, killed: bool) -> Iterable[Output]:
        """What no account has a say in any more must not go either, whatever the policy."""
        sweep = encode_sweep(Sweep(enterprise=enterprise, campaign=name, killed=killed))
        return to_every_partition(self._topics.sweeps, self._router.partitions, sweep)

    def _status(self, enterprise: str, name: str, value: bytes | None) -> Output:
        key = f"{enterprise}/{name}".encode()
        return self._topics.campaign_status, self._router.partition(key), key, value

    def _set_timer(self, key: bytes, due_ms: int | None) -> None:
        before = self._state.get(_DUE + key)
        if before is not None:
            self._state.cancel_timer(int(before), CAMPAIGN + key)
        if due_ms is None:
            self._state.delete(_DUE + key)
        else:
            self._state.set_timer(due_ms, CAMPAIGN + key)
            self._state.put(_DUE + key, b"%d" % due_ms)

    def tell_enterprise(self, key: bytes) -> Iterator[Output]:
        """The enterprise's word, for readers and for every partition."""
        enterprise = key.decode().removesuffix("//")
        policy = self._rules.policy(enterprise, self._now_ms)
        rules, book = (
            enterprises.enterprise_rules_of(policy),
            enterprises.load(self._state.get(key)),
        )
        enterprises.forget(book, rules, self._now_ms)
        self._state.put(key, enterprises.dump(book))
        status = enterprises.status_of(book, rules, self._now_ms)
        said = encode_enterprise_limits(enterprise, status, policy.version, self._now_ms)
        name = enterprise.encode()
        yield self._topics.enterprise_limits, self._router.partition(name), name, said
        word = enterprises.totals_of(book, rules, self._now_ms)
        yield from self._tell(EnterpriseBroadcast(enterprise, word))

    def _tell(self, news: News) -> Iterable[Output]:
        topic, partitions = self._topics.account_news, self._router.partitions
        return to_every_partition(topic, partitions, encode_news(news))


def is_campaign(key: bytes) -> bool:
    """Whether a key of the state is a campaign's."""
    return not key.startswith(b"/") and key.count(b"/campaign/") == 1
