"""Every setting of Decorum, read once at the start.

A setting is an environment variable with the prefix `DECORUM_`, or a line `DECORUM_NAME=value` in
the file that `DECORUM_SETTINGS` names. If both are set, the environment wins. Unknown names and
wrong values refuse the start, with one clear line each.

Rules of this file: it never prints a secret, and is never read again while a worker runs.
"""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path
from string import ascii_letters, digits
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self

from dotenv import dotenv_values
from pydantic import (
    AfterValidator,
    Field,
    FilePath,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from streams.tls import client_context

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable

    from pydantic_core import ErrorDetails

PREFIX: Final = "DECORUM_"
FILE_VARIABLE: Final = "DECORUM_SETTINGS"
SECRETS: Final = frozenset({"suppression_key", "sasl_password", "ssl_key_password"})
MAX_PORT: Final = 65_535
MAX_NAME_CHARACTERS: Final = 100
NAME_CHARACTERS: Final = frozenset(ascii_letters + digits + "._-")
# Customers' identifiers can be guessed and tried one by one, so the key must not be guessable.
MIN_SECRET_CHARACTERS: Final = 16


class SettingsError(Exception):
    """The settings cannot be used; `lines` has one complete line for each fault."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = tuple(lines)
        super().__init__("\n".join(self.lines))


def split_address(address: str) -> tuple[str, int]:
    """Split `host:port`, or `[v6]:port`, into both parts. Raises ValueError with the fault."""
    host, colon, port = address.rpartition(":")
    if not colon or not host:
        raise ValueError(f"{address!r} is not host:port")
    if not (port.isascii() and port.isdigit()) or int(port) > MAX_PORT:
        raise ValueError(f"the port of {address!r} is not a number from 0 to {MAX_PORT}")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _bootstrap(servers: str) -> str:
    """Check that each server of a comma-separated list is host:port; drop spaces around commas."""
    parts = [part.strip() for part in servers.split(",")]
    for part in parts:
        split_address(part)
    return ",".join(parts)


def _address(address: str) -> str:
    split_address(address)
    return address


def _strong(secret: SecretStr) -> SecretStr:
    if len(secret.get_secret_value()) < MIN_SECRET_CHARACTERS:
        raise ValueError(f"needs at least {MIN_SECRET_CHARACTERS} characters")
    return secret


def _name(name: str) -> str:
    """Check a name by Kafka's rules; 100 of its 249 characters leave space for our topics'."""
    if len(name) > MAX_NAME_CHARACTERS:
        raise ValueError(f"{len(name)} characters are more than {MAX_NAME_CHARACTERS}, the most")
    if not NAME_CHARACTERS.issuperset(name):
        raise ValueError("must be made of letters, digits and . _ -")
    return name


Name = Annotated[str, AfterValidator(_name)]


class Settings(BaseSettings):
    """All settings, validated. Use `load_settings`, which gives readable faults."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="forbid"
    )

    kafka: Annotated[str, AfterValidator(_bootstrap)] = "127.0.0.1:9092"
    """Bootstrap servers, comma-separated."""
    prefix: Name = ""
    """Stands before every topic, group and transactional id: one cluster, several environments."""
    partitions: Annotated[int, Field(ge=1, le=1024)] = 8
    """Partitions of each keyed topic when it is created."""
    http: Annotated[str, AfterValidator(_address)] = "127.0.0.1:6066"
    """Where metrics, health and look-ups are served, as host:port; port 0 takes a free one."""
    policy: FilePath | None = None
    """The policy of every enterprise that has published none; by default the packaged `wecom`."""
    suppression_key: Annotated[SecretStr, AfterValidator(_strong)] | None = None
    """Key of the mark (HMAC) that survives `erase`; without it `erase` is refused."""
    instance: Name | None = None
    """Static membership: this worker's lasting name in its group. With it, a restart within the
    session timeout moves no partitions."""

    sasl_mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] | None = None
    """Log in to Kafka with this mechanism; needs username and password."""
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    ssl_enabled: bool = False
    """Encrypt every connection to Kafka and verify the brokers' names."""
    ssl_ca: FilePath | None = None
    """Certificates to trust, PEM; default: the system's."""
    ssl_certificate: FilePath | None = None
    """This client's own certificate, PEM, for mutual TLS; needs `ssl_key`."""
    ssl_key: FilePath | None = None
    ssl_key_password: SecretStr | None = None

    @model_validator(mode="after")
    def _security_is_whole(self) -> Self:
        """Refuse half a login, which would connect without any."""
        sasl = (self.sasl_mechanism, self.sasl_username, self.sasl_password)
        if any(sasl) and not all(sasl):
            raise ValueError(
                "DECORUM_SASL_MECHANISM, _USERNAME and _PASSWORD belong together: set all"
            )
        own = (self.ssl_certificate, self.ssl_key)
        if any(own) and not all(own):
            raise ValueError(
                "DECORUM_SSL_CERTIFICATE and DECORUM_SSL_KEY belong together: set both"
            )
        if (self.ssl_ca or any(own)) and not self.ssl_enabled:
            raise ValueError("DECORUM_SSL_ files are named but DECORUM_SSL_ENABLED is not true")
        return self

    @property
    def http_address(self) -> tuple[str, int]:
        """Host and port of `http`."""
        return split_address(self.http)

    def client_options(self) -> dict[str, Any]:
        """Keyword arguments for every aiokafka client: the brokers and the security.

        Raises ssl.SSLError or OSError if a certificate file cannot be used.
        """
        options: dict[str, Any] = {
            "bootstrap_servers": self.kafka,
            "security_protocol": self._protocol(),
        }
        if self.ssl_enabled:
            options["ssl_context"] = self._ssl_context()
        if self.sasl_mechanism and self.sasl_password:
            options["sasl_mechanism"] = self.sasl_mechanism
            options["sasl_plain_username"] = self.sasl_username
            options["sasl_plain_password"] = self.sasl_password.get_secret_value()
        return options

    def _protocol(self) -> str:
        transport = "SSL" if self.ssl_enabled else "PLAINTEXT"
        return f"SASL_{transport}" if self.sasl_mechanism else transport

    def _ssl_context(self) -> ssl.SSLContext:
        secret = self.ssl_key_password
        return client_context(
            self.ssl_ca,
            self.ssl_certificate,
            self.ssl_key,
            secret.get_secret_value() if secret else None,
        )


def load_settings() -> Settings:
    """Read the environment and the settings file. Raises SettingsError with a line per fault."""
    file = _settings_file()
    faults = _unknown(os.environ, "the environment")
    if file:
        faults += _in_file(file)
    if faults:
        raise SettingsError(faults)
    try:
        settings = Settings(_env_file=file, _env_file_encoding="utf-8")
    except ValidationError as error:
        raise SettingsError(_line(fault) for fault in error.errors()) from None
    _refuse_unusable_certificates(settings)
    return settings


def _settings_file() -> Path | None:
    named = os.environ.get(FILE_VARIABLE)
    if not named:
        return None
    file = Path(named)
    try:
        file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        fault = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        line = f"{FILE_VARIABLE}: {named!r} cannot be read: {fault}"
        raise SettingsError([line]) from None
    return file


def _in_file(file: Path) -> list[str]:
    """A line for each fault of the settings file. Lines without `=` are not shown: each may be the
    second half of a secret.
    """
    values = dotenv_values(file, encoding="utf-8")
    bare = sum(value is None for value in values.values())
    faults = [f"{file}: {bare} line(s) are not DECORUM_NAME=value"] if bare else []
    named = [name for name, value in values.items() if value is not None]
    return faults + _unknown(named, str(file), everything=True)


def _unknown(names: Iterable[str], where: str, *, everything: bool = False) -> list[str]:
    """A line for each unknown setting; `everything`: also for names without the prefix."""
    known = {f"{PREFIX}{name}".upper() for name in Settings.model_fields}
    if not everything:
        known.add(FILE_VARIABLE)
    return [
        f"{name}: no such setting (in {where}){_suggestion(name, known)}"
        for name in sorted(names)
        if name.upper() not in known and (everything or name.upper().startswith(PREFIX))
    ]


def _suggestion(name: str, known: Iterable[str]) -> str:
    names = [one.removeprefix(PREFIX) for one in sorted(known)]
    close = get_close_matches(name.upper().removeprefix(PREFIX), names, n=1)
    return f"; did you mean {PREFIX}{close[0]}?" if close else ""


def _line(fault: ErrorDetails) -> str:
    """One line for one of pydantic's faults; the value is shown unless the setting is secret."""
    message = fault["msg"].removeprefix("Value error, ").replace("\n", " ")
    if not fault["loc"]:
        return message
    name = str(fault["loc"][0])
    given = "" if name in SECRETS else f" (it is {fault['input']!r})"
    return f"{PREFIX}{name.upper()}: {message[:1].lower()}{message[1:]}{given}"


def _refuse_unusable_certificates(settings: Settings) -> None:
    """Refuse the start, and not each later connection, if a file is not a certificate."""
    try:
        settings.client_options()
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        line = f"DECORUM_SSL_: the certificates or the key cannot be used: {error}"
        raise SettingsError([line]) from None
