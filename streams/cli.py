"""Every command of `decorum`.

A command reads the settings, calls one function elsewhere and turns the outcome into lines and an
exit status: 0 done, 1 not done, 2 wrong settings or arguments. Rules of this file: a command does
no work itself, and imports what it needs when it runs, so that `--help` is fast. It is longer than
other files because click needs each command's text here.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from streams import __version__

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable

    from streams.settings import Settings

Result = TypeVar("Result")

NOT_DONE = 1
WRONG_SETTINGS = 2

SETTINGS_HELP = """Settings are environment variables that begin with DECORUM_, or lines
DECORUM_NAME=value in the file that DECORUM_SETTINGS names; the environment wins. The most
important: DECORUM_KAFKA (bootstrap servers, default 127.0.0.1:9092), DECORUM_PREFIX,
DECORUM_PARTITIONS, DECORUM_HTTP and DECORUM_POLICY."""


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=SETTINGS_HELP,
)
@click.version_option(__version__, prog_name="decorum")
def main() -> None:
    """Decorum, the gate in front of sending: exact contact governance on Kafka.

    To see it work on this machine: decorum demo
    """


@main.command()
def topics() -> None:
    """Create the topics that are missing and check the others.

    Nothing that exists is changed. Exits with 1 and a list when a topic has other partitions or
    another cleanup policy than it needs.
    """
    from streams.admin import topics as topics_admin

    settings = _cluster_settings()
    created = _run(topics_admin.ensure(settings))
    _print(f"created {name}" for name in created)
    faults = _run(topics_admin.check(settings))
    if faults:
        _fail(faults)
    click.echo("all topics are as they should be")


@main.command()
def acls() -> None:
    """Print the commands that give each role on the cluster what it needs, and nothing more.

    They are lines of kafka-acls.sh, under DECORUM_PREFIX and for DECORUM_KAFKA; nothing is changed
    before somebody runs them. admin.properties is the login of one who may alter ACLs.
    """
    from streams.admin.acls import commands

    settings = _settings()
    _print(commands(settings.kafka, settings.prefix))


@main.command()
def worker() -> None:
    """Run one worker until SIGTERM.

    It finishes its open transactions and leaves the group. An error in a handler ends it with a
    status other than 0 and nothing lost: let a supervisor start it again at once.
    """
    from streams.logs import configure_logs

    settings = _cluster_settings()
    configure_logs()
    from aiokafka.errors import KafkaError

    from streams.policy.files import PolicyError
    from streams.worker import run

    try:
        sys.exit(run(settings))
    except PolicyError as error:
        _fail((f"DECORUM_POLICY: {line}" for line in error.lines), WRONG_SETTINGS)
    except KafkaError as error:
        _fail([f"Kafka: {error}"])


@main.group()
def policy() -> None:
    """Check and publish policies: what is governed, for one enterprise."""


FILE = click.argument(
    "file", type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)
)


@policy.command("check")
@FILE
def policy_check(file: Path) -> None:
    """Name every mistake in a policy FILE, with its path in the document.

    A policy without mistakes may still leave things ungoverned: those are notes.
    """
    from streams.policy import files

    faults = files.check_file(file)
    if faults:
        _fail(faults)
    _print(f"note: {note}" for note in files.notes_on_file(file))
    click.echo(f"{file}: good")


@policy.command("publish")
@FILE
def policy_publish(file: Path) -> None:
    """Check a policy FILE and publish it; workers follow it within moments."""
    from streams.admin.policies import publish
    from streams.policy.files import PolicyError

    settings = _cluster_settings()
    try:
        done = _run(publish(settings, file))
    except PolicyError as error:
        _fail(error.lines)
    click.echo(done)


@main.command(short_help="Publish an operator's control (kill switch).")
@click.argument("action", type=click.Choice(["pause", "resume", "brake"]))
@click.argument("scope")
@click.option("--by", required=True, metavar="WHO", help="Who orders it.")
@click.option("--why", required=True, metavar="TEXT", help="The reason, for those who ask later.")
@click.option("--for", "length", metavar="DURATION", help="30m, 4h, 2d …; default: until `resume`.")
def control(action: str, scope: str, by: str, why: str, length: str | None) -> None:
    """Publish an operator's control: the kill switch.

    `pause` approves nothing in SCOPE, replies and transactional messages included; `brake` slows
    paced kinds down to the amber rate; `resume` ends either.

    \b
    SCOPE is one of
      *                            everything
      ENTERPRISE                   one enterprise
      ENTERPRISE/account/NAME      one sending account
      ENTERPRISE/campaign/NAME     one campaign
      ENTERPRISE/kind/KIND         one kind of message, such as broadcast
    """  # noqa: D301 (click reads the character, not two)
    from streams.admin import controls

    settings = _cluster_settings()
    try:
        event = controls.control_event(
            action=action,
            scope=scope,
            by=by,
            why=why,
            for_ms=_milliseconds(length),
            now_ms=time.time_ns() // 1_000_000,
        )
    except ValueError as error:
        raise click.UsageError(f"{error} (see `decorum control --help`)") from None
    _run(controls.publish(settings, scope, event))
    click.echo(f"published: {action} {scope}{f' for {length}' if length else ''}")


@main.command()
@click.option(
    "--dir",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where its data are kept; default: the user's own data directory.",
)
@click.option("--port", type=click.IntRange(1, 65_535), default=9092, show_default=True)
def kafka(directory: Path | None, port: int) -> None:
    """Run a real single-node Apache Kafka on this machine, for development.

    It needs Java 17 or newer, and Maven to fetch it the first time. Stop it with Ctrl-C; its data
    are kept.
    """
    from streams.local.jars import LocalKafkaError
    from streams.local.kafka import default_directory
    from streams.local.serve import serve

    try:
        serve((directory or default_directory()).absolute(), port)
    except LocalKafkaError as error:
        _fail([str(error)])


@main.command()
@click.option(
    "--picture",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where the picture of an account's day goes.",
)
def demo(picture: Path | None) -> None:
    """Show the main job end to end on a Kafka of its own, and end.

    Topics, a worker, a realistic stream in, what became of it, and a picture of one account's day.
    With DECORUM_KAFKA set, it runs on that cluster.
    """
    settings = _settings()
    from streams.demo.show import run

    sys.exit(run(settings, picture))


def _settings() -> Settings:
    """The settings; on faults, exits with 2 and one line for each."""
    from streams.settings import SettingsError, load_settings

    try:
        return load_settings()
    except SettingsError as error:
        _fail(error.lines, WRONG_SETTINGS)


def _cluster_settings() -> Settings:
    """The settings; if the cluster refuses our login, exits with 1 and one line."""
    from streams.admin.connection_check import find_refusal

    settings = _settings()
    line = asyncio.run(find_refusal(settings))
    if line:
        _fail([f"Kafka: {line}"])
    return settings


def _run(work: Coroutine[Any, Any, Result]) -> Result:
    """The result; if the cluster is unreachable or refuses, exits with 1 and one line."""
    from aiokafka.errors import KafkaError

    from streams.admin.topics import TopicsError

    # The library logs each attempt to connect; the error at the end is enough.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        return asyncio.run(work)
    except (KafkaError, TopicsError) as error:
        _fail([f"Kafka: {error}"])


def _milliseconds(length: str | None) -> int | None:
    """Milliseconds of a duration such as `30m`. Raises ValueError that describes the fault."""
    from streams.policy.faults import Refused
    from streams.policy.values import duration

    if length is None:
        return None
    try:
        return duration()(length)
    except Refused as refused:
        raise ValueError(f"--for: {refused}") from None


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line)


def _fail(lines: Iterable[str], status: int = NOT_DONE) -> NoReturn:
    for line in lines:
        click.echo(f"decorum: {line}", err=True)
    sys.exit(status)
