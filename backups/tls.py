"""Is a connection to an instance encrypted? Three answers, and what they mean to the library."""

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
    """Return what a connection of PyMySQL is made with. Any: its options are of many types.

    ``authority`` is a file of certificates: with it the server must prove who it is, and TLS
    is required.
    """
    if authority and tls is not Tls.OFF:
        return {"ssl": ssl.create_default_context(cafile=authority)}
    if tls is Tls.REQUIRED:
        # Encrypted, but the server need not prove who it is: it made its own certificate.
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return {"ssl": context}
    return {"ssl_disabled": True} if tls is Tls.OFF else {}
