"""Is a connection to an instance encrypted? Three modes, and the client library's options."""

from __future__ import annotations

import enum
import ssl
from typing import Any


class Tls(enum.Enum):
    """Whether a connection is encrypted."""

    REQUIRED = "required"
    PREFERRED = "preferred"  # where the server offers it
    OFF = "off"


def tls_options(tls: Tls, authority: str = "") -> dict[str, Any]:
    """Return the TLS options of a PyMySQL connection. Any: they are of many types.

    ``authority`` is a file of CA certificates: with it the server's certificate is verified, and
    TLS is required.
    """
    if authority and tls is not Tls.OFF:
        return {"ssl": ssl.create_default_context(cafile=authority)}
    if tls is Tls.REQUIRED:
        # Encrypted, without verification: servers have self-signed certificates by default.
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return {"ssl": context}
    return {"ssl_disabled": True} if tls is Tls.OFF else {}
