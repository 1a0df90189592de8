from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from streams.settings import Settings, SettingsError, load_settings, split_address

if TYPE_CHECKING:
    from pathlib import Path


def faults(monkeypatch: pytest.MonkeyPatch, **environment: str) -> tuple[str, ...]:
    """The lines with which the start stops in this environment."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as stopped:
        load_settings()
    return stopped.value.lines


def test_defaults_are_the_contracts() -> None:
    settings = load_settings()

    assert settings.kafka == "127.0.0.1:9092"
    assert settings.prefix == ""
    assert settings.partitions == 8
    assert settings.http_address == ("127.0.0.1", 6066)
    assert settings.policy is None
    assert settings.suppression_key is None
    assert settings.client_options() == {
        "bootstrap_servers": "127.0.0.1:9092",
        "security_protocol": "PLAINTEXT",
    }


def test_reads_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DECORUM_KAFKA", "one:9092, two:9093")
    monkeypatch.setenv("DECORUM_PARTITIONS", "12")

    settings = load_settings()

    assert settings.kafka == "one:9092,two:9093"
    assert settings.partitions == 12


def test_the_environment_wins_over_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "decorum.env"
    file.write_text("# ours\nDECORUM_PREFIX=file-\nDECORUM_PARTITIONS=4\n", encoding="utf-8")
    monkeypatch.setenv("DECORUM_SETTINGS", str(file))
    monkeypatch.setenv("DECORUM_PREFIX", "env-")

    settings = load_settings()

    assert (settings.prefix, settings.partitions) == ("env-", 4)


def test_an_unknown_name_in_the_environment_stops_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert faults(monkeypatch, DECORUM_KAFAK="x:1", DECORUM_ZZZ="1") == (
        "DECORUM_KAFAK: no such setting (in the environment); did you mean DECORUM_KAFKA?",
        "DECORUM_ZZZ: no such setting (in the environment)",
    )


def test_every_name_in_the_file_must_be_a_setting(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "decorum.env"
    file.write_text("PATH=/bin\nDECORUM_HTPP=a:1\n", encoding="utf-8")

    assert faults(monkeypatch, DECORUM_SETTINGS=str(file)) == (
        f"DECORUM_HTPP: no such setting (in {file}); did you mean DECORUM_HTTP?",
        f"PATH: no such setting (in {file})",
    )


def test_a_file_that_is_not_there_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    assert faults(monkeypatch, DECORUM_SETTINGS="/nowhere/decorum.env") == (
        "DECORUM_SETTINGS: '/nowhere/decorum.env' cannot be read: No such file or directory",
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DECORUM_KAFKA", "localhost"),
        ("DECORUM_KAFKA", "a:1,,b:2"),
        ("DECORUM_PREFIX", "a/b"),
        ("DECORUM_PREFIX", "a" * 101),
        ("DECORUM_PARTITIONS", "0"),
        ("DECORUM_PARTITIONS", "eight"),
        ("DECORUM_PARTITIONS", "1025"),
        ("DECORUM_HTTP", "127.0.0.1"),
        ("DECORUM_HTTP", "127.0.0.1:65536"),
        ("DECORUM_POLICY", "/nowhere/policy.yaml"),
        ("DECORUM_SASL_MECHANISM", "GSSAPI"),
        ("DECORUM_SSL_ENABLED", "perhaps"),
        ("DECORUM_INSTANCE", "a b"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_the_setting_and_the_value(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    (line,) = faults(monkeypatch, **{name: value})

    assert line.startswith(f"{name}: ")
    assert value in line
    assert "\n" not in line


def test_all_faults_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = faults(monkeypatch, DECORUM_PARTITIONS="x", DECORUM_HTTP="y")

    assert [line.split(":")[0] for line in lines] == ["DECORUM_PARTITIONS", "DECORUM_HTTP"]


def test_a_secret_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    (line,) = faults(monkeypatch, DECORUM_SUPPRESSION_KEY="hush-hush-15-ch")

    assert line == "DECORUM_SUPPRESSION_KEY: needs at least 16 characters"
    assert "hush" not in repr(Settings(suppression_key=SecretStr("hush-hush-16-cha")))


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"DECORUM_SASL_USERNAME": "worker"}, "set all"),
        ({"DECORUM_SASL_MECHANISM": "PLAIN", "DECORUM_SASL_USERNAME": "worker"}, "set all"),
        ({"DECORUM_SSL_KEY": __file__, "DECORUM_SSL_ENABLED": "1"}, "set both"),
        ({"DECORUM_SSL_CA": __file__}, "not true"),
        ({"DECORUM_SSL_CA": __file__, "DECORUM_SSL_ENABLED": "true"}, "cannot be used"),
    ],
)
def test_half_a_security_setting_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], said: str
) -> None:
    (line,) = faults(monkeypatch, **environment)

    assert said in line
    assert "\n" not in line


def test_a_login_over_tls_reaches_every_client() -> None:
    settings = Settings(
        sasl_mechanism="SCRAM-SHA-512",
        sasl_username="worker",
        sasl_password=SecretStr("pass"),
        ssl_enabled=True,
    )

    options = settings.client_options()

    assert options.pop("ssl_context").check_hostname
    assert options == {
        "bootstrap_servers": "127.0.0.1:9092",
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "worker",
        "sasl_plain_password": "pass",
    }


def test_an_address_may_be_ipv6() -> None:
    assert split_address("[::1]:80") == ("::1", 80)
