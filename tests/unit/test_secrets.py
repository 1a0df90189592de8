"""No secret and nobody's name leaves the process by its settings, commands or logs."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
import structlog
from click.testing import CliRunner
from pydantic import SecretStr

from streams import logs
from streams.cli import main
from streams.local.kafka import free_port
from streams.logs import configure_logs
from streams.settings import SECRETS, Settings, SettingsError, load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET = "hush-hush-nobody-may-see-me"


@pytest.fixture
def _logging_restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def guarded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole login and a key, on a cluster that does not answer."""
    monkeypatch.setenv("DECORUM_KAFKA", f"127.0.0.1:{free_port()}")
    monkeypatch.setenv("DECORUM_SASL_MECHANISM", "SCRAM-SHA-512")
    monkeypatch.setenv("DECORUM_SASL_USERNAME", "decorum-engine")
    monkeypatch.setenv("DECORUM_SASL_PASSWORD", SECRET)
    monkeypatch.setenv("DECORUM_SUPPRESSION_KEY", SECRET)


def test_every_secret_setting_is_known_as_one() -> None:
    typed = {
        name
        for name, field in Settings.model_fields.items()
        if "SecretStr" in str(field.annotation)
    }
    assert typed == SECRETS
    names = set(Settings.model_fields)
    assert {
        name for name in names if "password" in name or name.endswith("suppression_key")
    } <= typed


@pytest.mark.usefixtures("guarded")
def test_settings_do_not_show_their_secrets_in_any_form() -> None:
    settings = load_settings()
    shown = (repr(settings), str(settings), settings.model_dump_json(), str(settings.model_dump()))
    assert settings.sasl_password == SecretStr(SECRET)
    assert [form for form in shown if SECRET in form] == []


@pytest.mark.usefixtures("guarded")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DECORUM_SASL_MECHANISM", ""),
        ("DECORUM_PARTITIONS", "many"),
        ("DECORUM_SASL_PASWORD", SECRET),
        ("DECORUM_SSL_KEY_PASSWORD", SECRET),
        ("DECORUM_SUPPRESSION_KEY", SECRET[:15]),
    ],
)
def test_a_wrong_setting_beside_a_secret_does_not_show_it(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    said = CliRunner().invoke(main, ["acls"])
    assert name == "DECORUM_SSL_KEY_PASSWORD" or said.exit_code == 2
    assert SECRET[:15] not in said.output


def test_a_secret_that_slipped_into_the_next_line_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "settings"
    file.write_text(f"DECORUM_SUPPRESSION_KEY=\n{SECRET}\n", encoding="utf-8")
    monkeypatch.setenv("DECORUM_SETTINGS", str(file))
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert caught.value.lines == (f"{file}: 1 line(s) are not DECORUM_NAME=value",)


@pytest.mark.usefixtures("guarded")
def test_a_command_that_fails_does_not_show_them() -> None:
    said = CliRunner().invoke(main, ["topics"])
    assert said.exit_code == 1
    assert "decorum: Kafka: " in said.output
    assert SECRET not in said.output


@pytest.mark.usefixtures("_logging_restored", "guarded")
@pytest.mark.parametrize("terminal", [False, True])
def test_a_crash_shows_where_it_was_and_no_value(
    capsys: pytest.CaptureFixture[str], *, terminal: bool
) -> None:
    configure_logs(terminal=terminal)
    settings = load_settings()

    def fail(options: dict[str, object]) -> None:
        customer = "wm-1"
        raise ConnectionError(f"lost with {len(options)} options, {len(customer)} letters")

    try:
        fail(settings.client_options())
    except ConnectionError:
        logging.getLogger("decorum.lane").critical("ended with %r", settings, exc_info=True)
    said = capsys.readouterr().err
    assert "lost with 5 options" in said
    assert SECRET not in said
    assert "wm-1" not in said


def test_no_package_on_the_machine_can_add_local_variables_to_a_crash() -> None:
    """`rich`, where it is installed, would be the default's choice, and prints them."""
    formatter = logs._formatter(readable=True)
    renderer = formatter.processors[-1]
    assert isinstance(renderer, structlog.dev.ConsoleRenderer)
    assert renderer._exception_formatter is structlog.dev.plain_traceback
