"""Checks at the start whether the cluster accepts our login, with one line if it does not.

To the Kafka client, a refused login or an untrusted certificate looks like a broker that does not
answer yet, and it retries for ever. Rules of this file: it never prints a password.
"""

from __future__ import annotations

import logging
import ssl
from typing import TYPE_CHECKING, Any, Final

from aiokafka.conn import create_conn
from aiokafka.errors import KafkaError, SaslAuthenticationFailed, UnsupportedSaslMechanismError

from streams.settings import split_address

if TYPE_CHECKING:
    from streams.settings import Settings

PATIENCE_MS: Final = 5_000


async def find_refusal(settings: Settings) -> str | None:
    """Why the first broker that answers refuses us, in one line; None when it accepts us.

    None also when no broker answers: that may be temporary, and the clients wait for it.
    """
    options = settings.client_options()
    servers: str = options.pop("bootstrap_servers")
    if not (settings.ssl_enabled or settings.sasl_mechanism):
        return None
    # The library would log the same failure again.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    for server in servers.split(","):
        answered, line = await _try_broker(server, options)
        if answered:
            return line
    return None


async def _try_broker(server: str, options: dict[str, Any]) -> tuple[bool, str | None]:
    """Whether this broker answered, and why it refused."""
    host, port = split_address(server)
    try:
        connection = await create_conn(host, port, request_timeout_ms=PATIENCE_MS, **options)
    except ssl.SSLCertVerificationError as error:
        return True, f"the certificate of {server} is not trusted: {error.verify_message}"
    except ssl.SSLError as error:
        return True, f"{server} does not speak TLS with us: {error.reason or error}"
    except SaslAuthenticationFailed:
        return True, f"{server} refuses the login of {options['sasl_plain_username']!r}"
    except UnsupportedSaslMechanismError:
        return True, f"{server} does not offer {options['sasl_mechanism']}"
    except (OSError, KafkaError):  # a TimeoutError is an OSError
        return False, None
    connection.close()
    return True, None
