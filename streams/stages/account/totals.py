"""What a partition knows of campaigns and enterprises, whose owners are other partitions.

It stands in the partition's own state, so that an account's decision finds after a crash what it
was made by. Rules of this file: bytes in and out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from streams.core.campaign_state import UNKNOWN_RELEASE, CampaignRelease
from streams.core.enterprise import EnterpriseTotals
from streams.events.keys import campaign_key, enterprise_key
from streams.stages.state_keys import SHARED

if TYPE_CHECKING:
    from streams.events.internal import CampaignBroadcast, EnterpriseBroadcast
    from streams.runtime.state import State

_NO_TOTALS: Final = EnterpriseTotals()

_encode = msgspec.msgpack.Encoder().encode
_decode_campaign = msgspec.msgpack.Decoder(CampaignRelease).decode
_decode_enterprise = msgspec.msgpack.Decoder(EnterpriseTotals).decode


def released_share(state: State, enterprise: str, campaign: str) -> float:
    """The share of a campaign's audience that is released, as far as is known here."""
    value = state.get(SHARED + campaign_key(enterprise, campaign))
    return 0.0 if value is None else _decode_campaign(value).released


class SharedTotals:
    """Campaigns' releases and enterprises' totals, in one batch."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._campaigns: dict[tuple[str, str], CampaignRelease | None] = {}

    def campaign(self, enterprise: str, campaign: str) -> CampaignRelease | None:
        """How far a campaign may go; None before it is known here."""
        known, name = self._campaigns, (enterprise, campaign)
        if name not in known:
            value = self._state.get(SHARED + campaign_key(enterprise, campaign))
            known[name] = None if value is None else _decode_campaign(value)
        return known[name]

    def release(self, enterprise: str, campaign: str | None) -> CampaignRelease | None:
        """As `campaign`, where an unknown one may not go at all; None without a campaign."""
        if campaign is None:
            return None
        return self.campaign(enterprise, campaign) or UNKNOWN_RELEASE

    def enterprise(self, enterprise: str) -> EnterpriseTotals:
        """What all its accounts hold together."""
        value = self._state.get(SHARED + enterprise_key(enterprise))
        return _NO_TOTALS if value is None else _decode_enterprise(value)

    def assume(self, enterprise: str, campaign: str, release: CampaignRelease) -> None:
        """Go by this release until the campaign's owner publishes one."""
        self._campaigns.clear()
        self._state.put(SHARED + campaign_key(enterprise, campaign), _encode(release))

    def apply_campaign(self, news: CampaignBroadcast) -> None:
        """Take over how far a campaign may go; a forgotten one is known no longer."""
        self._campaigns.clear()
        key = SHARED + campaign_key(news.enterprise, news.campaign)
        if news.release is None:
            self._state.delete(key)
        else:
            self._state.put(key, _encode(news.release))

    def apply_enterprise(self, news: EnterpriseBroadcast) -> None:
        """Take over an enterprise's totals."""
        self._state.put(SHARED + enterprise_key(news.enterprise), _encode(news.totals))
