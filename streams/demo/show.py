"""`decorum demo`: a busy day at one enterprise, played through a real Kafka and a real worker.

A day and a quarter in about a minute: the worker runs by a faster clock, everything else is as in
production. In the middle the worker is killed. At the end the topics alone must balance; the exit
status is 0 only if they do. It always removes what it made: worker, broker, directory,
topics; only the picture stays.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from aiokafka.errors import KafkaError

from streams.admin import topics as topics_admin
from streams.demo import screen
from streams.demo.day import Day
from streams.demo.play import play
from streams.demo.portrait import portrait_of
from streams.demo.supervisor import DemoError, Supervisor
from streams.demo.traffic import delete_topics
from streams.local.jars import LocalKafkaError
from streams.local.kafka import HOST, LocalKafka, free_port
from streams.policy import files
from streams.runtime.clock import FastClock

if TYPE_CHECKING:
    from streams.demo.portrait import Portrait
    from streams.settings import Settings

DONE: Final = 0
NOT_DONE: Final = 1
PICTURE: Final = "decorum-demo.png"
INTERRUPTED: Final = 130
SPEED: Final = 1_700
PARTITIONS: Final = 4
"""Enough to show that keys are spread; each costs the two cores of a laptop some transactions."""


def run(settings: Settings, picture: Path | None = None) -> int:
    """Play the day and show it; 0 if everything balances, 1 if not, 130 after Ctrl-C.

    `picture`: where the picture of the day goes; by default into the working directory.
    """
    # A client says more than once what the error at the end says in one line.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # its first run looks for fonts
    # What asyncio does on Ctrl-C, ending every task in good order, is right for SIGTERM as well.
    before = signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        with ExitStack() as cleanup:
            return _run(settings, cleanup, picture)
    except KeyboardInterrupt:
        click.echo("\nstopped; everything it had started is gone")
        return INTERRUPTED
    except (DemoError, LocalKafkaError, KafkaError, topics_admin.TopicsError) as error:
        click.echo(f"decorum: {error}", err=True)
        return NOT_DONE
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(settings: Settings, cleanup: ExitStack, picture: Path | None) -> int:
    directory = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="decorum-demo-")))
    if "kafka" in settings.model_fields_set:
        settings = _own(settings, settings.kafka)
        screen.header(settings)
        cleanup.callback(lambda: asyncio.run(delete_topics(settings)))
    else:
        broker = LocalKafka(directory / "kafka")
        settings = _own(settings, broker.bootstrap)
        screen.header(settings)
        cleanup.callback(broker.stop)
        broker.start()
    return perform(settings, Day(), SPEED, directory, picture)


def _own(settings: Settings, kafka: str) -> Settings:
    """The settings with topics of our own, and defaults that disturb nobody."""
    changes: dict[str, str | int] = {"kafka": kafka, "prefix": f"demo-{secrets.token_hex(3)}-"}
    if "partitions" not in settings.model_fields_set:
        changes["partitions"] = PARTITIONS
    if "http" not in settings.model_fields_set:
        changes["http"] = f"{HOST}:{free_port()}"
    return settings.model_copy(update=changes)


def perform(
    settings: Settings, day: Day, speed: float, directory: Path, picture: Path | None = None
) -> int:
    """Play one day on a running Kafka and show it; 0 if everything balances, otherwise 1."""
    policy = (files.load_file(settings.policy) if settings.policy else files.packaged())[1]
    clock = FastClock(day.start_ms, speed)
    with Supervisor(settings, clock, directory / "worker.log") as worker:
        evidence, checks = asyncio.run(play(day, policy, worker))
    screen.closing(evidence, checks, policy)
    died_ms, ready_ms = (clock.at(real_ms) for real_ms in worker.down_ms)
    screen.line(draw(portrait_of(evidence, day, policy, (died_ms, ready_ms)), picture))
    return DONE if screen.verdict(checks) else NOT_DONE


def draw(portrait: Portrait | None, path: Path | None) -> str:
    """Paint the picture; a line on where it is, or why there is none."""
    try:
        from streams.demo import picture  # noqa: PLC0415 (the one file that needs matplotlib)
    except ImportError:
        return "Picture  none: it needs matplotlib (pip install 'matplotlib>=3.10,<4')"
    if portrait is None:
        return "Picture  none: no account has limits"
    path = _own_path() if path is None else path
    try:
        picture.paint(portrait, path)
    except OSError as error:
        return f"Picture  none: {error}"
    return f"Picture  {path.resolve()}: the day of {portrait.account}, as its topics tell it"


def _own_path() -> Path:
    """In the working directory; where that cannot be written, in a directory that stays."""
    here = Path.cwd()
    return (here if os.access(here, os.W_OK) else Path(tempfile.mkdtemp())) / PICTURE
