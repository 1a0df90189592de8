"""Whether the cluster lets us in, told in one line before anything waits for it.

The Kafka client takes a refused login or a certificate it cannot trust for a broker that does not
answer yet, and tries again. Waiting mends neither. This must never print a password.
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


async def refusal(settings: Settings) -> str | None:
    """Why the first broker that answers refuses us, as one line; None when it lets us in.

    None as well when no broker answers: that may pass, and whoever needs the cluster waits for it.
    """
    options = settings.client_options()
    servers: str = options.pop("bootstrap_servers")
    if not (settings.ssl_enabled or settings.sasl_mechanism):
        return None
    # The library would log the same failure as a line of its own.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    for server in servers.split(","):
        answered, line = await _ask(server, options)
        if answered:
            return line
    return None


async def _ask(server: str, options: dict[str, Any]) -> tuple[bool, str | None]:
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
