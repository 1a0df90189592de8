"""What the viewer of the demo sees: lines for a terminal of 100 columns, plain when piped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from streams.demo.day import local
from streams.demo.summary import summary

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence

    from streams.core.policy import Policy
    from streams.demo.audit import Check
    from streams.demo.day import Day
    from streams.demo.evidence import Evidence
    from streams.settings import Settings


def header(settings: Settings) -> None:
    """What this is, before anything has started."""
    title("Decorum, the gate in front of sending")
    line("Every program publishes what it wants to send. Decorum decides each message for each")
    line("person: send now, hold until it is welcome, or no, and why. You will see a busy day of")
    line(
        "one enterprise on a real Kafka, by a fast clock: a good campaign and a bad one, an account"
    )
    line("that goes wrong, and a worker that is killed in the afternoon; at the end an audit of")
    line("every message, and a picture.")
    line()
    line(f"Kafka    {settings.kafka}, topics {settings.prefix}*, {settings.partitions} partitions")


def opening(settings: Settings, policy: Policy, day: Day, speed: float) -> None:
    """Where to look, once the worker is ready."""
    line(f"Worker   http://{settings.http}/metrics and /readyz, while it runs")
    line(f"Look     kcat -b {settings.kafka} -C -t {settings.prefix}decisions -o beginning")
    line(f"Policy   {policy.name} version {policy.version}, {len(policy.windows)} contact windows")
    line(
        f"Day      {day.accounts} accounts, {day.customers:,} customers; "
        f"{local(day.start_ms)} to {local(day.end_ms)} in {day.hours * 3600 / speed:.0f} seconds"
    )
    ten_minutes = 600 / speed
    line(f"Clock    {speed:,.0f} times as fast: 10 minutes pass in {ten_minutes:.1f} s. The worker")
    line("         lives by it, so that its metrics of latency mean nothing here")


def introduced(contacts: int, seconds: float) -> None:
    """The day begins: who knows whom is told; the head of the hours."""
    line(f"Contacts {contacts:,} told, who knows whom, in {seconds:.1f} s. The day begins")
    line()
    line(f"{'until':<12}{'asked':>8}{'approved':>10}{'denied':>8}{'expired':>9}{'held now':>10}")


def hour(at_ms: int, asked: int, done: Counter[str], held: int) -> None:
    """One hour of the day, by its end; `held`: all that waits then."""
    cells = f"{asked:>8,}{done['approved']:>10,}{done['denied']:>8,}{done['expired']:>9,}"
    line(f"{local(at_ms):<12}{cells}{held:>10,}")


def event(at_ms: int, text: str) -> None:
    """Something worth a line of its own."""
    click.secho(f"{local(at_ms):<12}{text}", fg="yellow")


def closing(evidence: Evidence, checks: Sequence[Check], policy: Policy) -> None:
    """The summary."""
    for name, lines in summary(evidence, checks, policy):
        title(name)
        for text in lines:
            line(text)
    line()


def verdict(checks: Sequence[Check]) -> bool:
    """The last word; whether everything balances."""
    good = all(check.good for check in checks)
    if good:
        click.secho("Everything balances.", fg="green", bold=True)
        line(
            "Next: decorum kafka, decorum topics and decorum worker, each in a terminal of its own."
        )
    else:
        click.secho("IT DOES NOT BALANCE: see the faults above.", fg="red", bold=True)
    return good


def title(text: str) -> None:
    """The head of a paragraph."""
    click.secho(f"\n{text}", bold=True)


def line(text: str = "") -> None:
    """A plain line."""
    click.echo(text)
