"""A steady stream of intents and interactions, some of them broken if asked for.

`python -m tests.system.alerts.load [--per-second N] [--seconds N] [--broken PERCENT]` writes to the
topics of the cluster that the settings name, in the mix of kinds that the benches use.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from typing import TYPE_CHECKING

from streams.events.keys import customer_key
from streams.runtime.partitioner import partition_for
from streams.settings import load_settings
from streams.topics import Topics
from tests.system.bench import load
from tests.system.bench.cluster import producer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from streams.settings import Settings

CUSTOMERS = 20_000
TICK_S = 0.1
BROKEN = b'{"specversion": "1.0", "type": "decorum.intent.v1", "data": {"kind": "drect"}}'


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.system.alerts.load")
    parser.add_argument("--per-second", type=int, default=100, help="intents; as many interactions")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--broken", type=float, default=0, help="percent of the intents")
    asked = parser.parse_args(arguments)
    asyncio.run(_run(load_settings(), asked.per_second, asked.seconds, asked.broken / 100))


async def _run(settings: Settings, per_s: int, seconds: int, broken: float) -> None:
    names = Topics(settings.prefix)
    seed = time.time_ns()  # another run asks for something else
    records = _records(names, per_s * seconds, seed, broken)
    began, sent = time.monotonic(), 0
    async with producer(settings) as client:
        for topic, key, value in records:
            place = partition_for(key, settings.partitions)
            await client.send(topic, value, key=key, partition=place)
            sent += 1
            ahead_s = began + sent / (2 * per_s) - time.monotonic()
            if ahead_s > TICK_S:
                await asyncio.sleep(ahead_s)
    sys.stdout.write(f"{sent} records within {time.monotonic() - began:.0f} s\n")


def _records(
    names: Topics, count: int, seed: int, broken: float
) -> Iterator[tuple[str, bytes, bytes]]:
    draw = random.Random(seed)
    for number, (key, value) in enumerate(load.mixed(count, CUSTOMERS, seed)):
        who = draw.randrange(CUSTOMERS)
        account, customer = load.account_of(who), load.customer(who)
        yield names.intents, key, BROKEN if draw.random() < broken else value
        said = draw.choices(("message_received", "engaged", "complained"), (60, 39, 1))[0]
        more = {"action": "view"} if said == "engaged" else {}
        happened = load.contact(
            f"h-{seed}-{number}", said, account, customer, time.time_ns() // 1_000_000, **more
        )
        yield names.interactions, customer_key(load.ENTERPRISE, customer), happened


if __name__ == "__main__":
    main(sys.argv[1:])
