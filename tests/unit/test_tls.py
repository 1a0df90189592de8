from __future__ import annotations

import ssl

from streams.tls import client_context


def test_brokers_must_show_a_certificate_in_their_own_name() -> None:
    context = client_context(None, None, None, None)
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
