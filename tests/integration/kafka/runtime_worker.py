"""A worker of toy stages for the runtime's tests; run as a process, so that it can be killed.

Arguments: bootstrap, prefix, instance ("-": none), partitions. It prints a line for each change of
the partitions that accept records. `count` waits until what stood in `alarms` is decided.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace

from streams.logs import configure_logs
from streams.runtime.app import Extras, StreamApp
from streams.runtime.global_table import GlobalTable
from tests.unit.runtime.toy import GROUP, Alarm, Count, Relay, Settings, Silent


def stages(prefix: str, partitions: int) -> list[Count | Relay | Alarm]:
    """The toys on topics with a prefix; the alarm has one partition."""
    toys: list[Count | Relay | Alarm] = [Relay(partitions), Count(tally=False), Alarm()]
    return [
        replace(
            toy,
            sources=tuple(prefix + topic for topic in toy.sources),
            changelog=prefix + toy.changelog,
            output=prefix + toy.output,
        )
        for toy in toys
    ]


async def tell(app: StreamApp) -> None:
    told = None
    while True:
        accepting = {name: stage.accepting for name, stage in app.snapshot().items()}
        if accepting != told:
            told = accepting
            text = ",".join(f"{s}-{n}" for s, ns in sorted(accepting.items()) for n in ns)
            print(f"accepting {text}", flush=True)  # noqa: T201
        await asyncio.sleep(0.02)


def main() -> None:
    configure_logs(terminal=True)
    bootstrap, prefix, instance, partitions = sys.argv[1:]
    settings = Settings(bootstrap, prefix, None if instance == "-" else instance)
    toys = stages(prefix, int(partitions))
    alarms = toys[2]
    table = GlobalTable(alarms.changelog, lambda _, __: None)
    extras = Extras(
        start_conditions={"count": lambda: table.caught_up_with(*alarms.sources)},
        global_tables=[table],
        services=[lambda: tell(app)],
        topics=[toy.output for toy in toys],
    )
    app = StreamApp(settings, toys, Silent(), extras, group=GROUP)
    app.run()


if __name__ == "__main__":
    main()
