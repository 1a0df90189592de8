"""Certificates for a test's broker, made with Java's own keytool and good for two days."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import NamedTuple

from streams.local.jars import find_java

PASSWORD = "only-for-this-test"
NEW_KEY = ("-genkeypair", "-keyalg", "EC", "-groupname", "secp256r1", "-validity", "2")


class Authority:
    """A certificate authority; `pem` is what clients have to trust."""

    def __init__(self, directory: Path, name: str) -> None:
        self.store, self.pem = directory / f"{name}.p12", directory / f"{name}.pem"
        is_authority = ("-ext", "bc:critical=ca:true", "-ext", "ku:critical=keyCertSign")
        keytool(self.store, "ca", *NEW_KEY, "-dname", f"CN={name}", *is_authority)
        keytool(self.store, "ca", "-exportcert", "-rfc", "-file", str(self.pem))


class Identity(NamedTuple):
    """A key store with a broker's key, and its certificate signed by an authority."""

    store: Path
    password: str


def broker_identity(authority: Authority, directory: Path, address: str) -> Identity:
    """A broker's key and certificate, in the name of one IP address."""
    store, request, signed = (directory / f"broker.{kind}" for kind in ("p12", "csr", "pem"))
    keytool(store, "broker", *NEW_KEY, "-dname", "CN=broker")
    keytool(store, "broker", "-certreq", "-file", str(request))
    files = ("-infile", str(request), "-outfile", str(signed))
    keytool(
        authority.store, "ca", "-gencert", "-rfc", *files, "-ext", f"san=ip:{address}", "-validity",
        "2",
    )  # fmt: skip
    for alias, file in (("ca", authority.pem), ("broker", signed)):
        keytool(store, alias, "-importcert", "-noprompt", "-file", str(file))
    return Identity(store, PASSWORD)


def keytool(store: Path, alias: str, *arguments: str) -> None:
    tool = Path(find_java()).resolve().with_name("keytool")
    opened = ("-keystore", str(store), "-storetype", "PKCS12", "-storepass", PASSWORD)
    command = [str(tool), *arguments, "-alias", alias, *opened]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
