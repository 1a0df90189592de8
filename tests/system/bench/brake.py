"""From a complaint's record to the committed limits of its account, under load.

Each complaint is an account's first, so that its `account-limits` record can be told apart; intents
of a kind that touches no account's limits flow through both stages beside them. The first ten
seconds are left out, as in `latency`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import msgspec

from streams.events.keys import customer_key
from tests.system.bench import load
from tests.system.bench.cluster import make_topics
from tests.system.bench.latency import LEAVE_OUT_S
from tests.system.bench.report import Row, latencies
from tests.system.bench.steady import Steady
from tests.system.bench.tally import intent_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.system.bench.cluster import Item
    from tests.system.bench.run import Run

PER_S: Final = 20
BESIDE_PER_S: Final = 500


class _Told(msgspec.Struct):
    account_id: str


class _Limits(msgspec.Struct):
    data: _Told


_decode = msgspec.json.Decoder(_Limits).decode


async def run(run: Run) -> list[Row]:
    seconds = run.choose(40, 16)
    async with run.corner("brake") as settings:
        names = await make_topics(settings)
        async with run.worker(settings, load.MORNING_MS) as worker:
            await worker.ready()
            intents = load.campaign(BESIDE_PER_S * seconds, each=1)
            wanted = [(load.accepted(item[1]).id, item) for item in intents]
            where = (settings, names.intents, names.decisions, wanted)
            beside = Steady(*where, id_of=intent_of, per_s=BESIDE_PER_S)
            complaints = Steady(
                settings,
                names.interactions,
                names.account_limits,
                list(_complaints(PER_S * seconds)),
                id_of=lambda value: _decode(value).data.account_id,
                per_s=PER_S,
            )
            await asyncio.gather(beside.run(), complaints.run())
            waits = latencies(complaints.waits_s(LEAVE_OUT_S))
            how = f"{PER_S} complaints/s beside {BESIDE_PER_S} intents/s, for {seconds} s"
            return [Row("brake", "complaint to limits, p50 / p95 / p99 / max", waits, how)]


def _complaints(count: int) -> Iterator[tuple[str, Item]]:
    for number in range(count):
        account, who = f"angry-{number:05d}", load.customer(number)
        value = load.contact(f"c-{number}", "complained", account, who, load.MORNING_MS)
        yield account, (customer_key(load.ENTERPRISE, who), value)
