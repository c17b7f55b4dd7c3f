"""Is a connection to an instance encrypted, and does the server prove who it is?"""

from __future__ import annotations

import enum
import ssl
from dataclasses import dataclass
from typing import Any


class Tls(enum.Enum):
    """How a connection is protected."""

    VERIFY_IDENTITY = "verify-identity"  # certificate of a known CA, for the name connected to
    VERIFY_CA = "verify-ca"  # certificate of a known CA
    REQUIRED = "required"  # encrypted; the server may be anybody
    PREFERRED = "preferred"  # where the server offers it
    OFF = "off"

    @property
    def verifies(self) -> bool:
        return self in (Tls.VERIFY_CA, Tls.VERIFY_IDENTITY)


@dataclass(frozen=True, slots=True)
class Certificates:
    """Files of this host: whom we believe, and who we are."""

    authority: str = ""
    own: str = ""
    key: str = ""


NO_CERTIFICATES = Certificates()


def tls_options(tls: Tls, files: Certificates = NO_CERTIFICATES) -> dict[str, Any]:
    """Return the TLS options of a PyMySQL connection. Any: they are of many types.

    Raises OSError (also ssl.SSLError) for files that cannot be used.
    """
    if tls is Tls.OFF:
        return {"ssl_disabled": True}
    if tls is Tls.PREFERRED:
        return {}
    if not tls.verifies:
        # Servers have self-signed certificates by default.
        context = unverifying_context()
    else:
        context = ssl.create_default_context(cafile=files.authority)
        context.check_hostname = tls is Tls.VERIFY_IDENTITY
        # The CAs that MySQL and MariaDB generate lack extensions that strict mode demands.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if files.own:
        context.load_cert_chain(files.own, files.key or None)
    return {"ssl": context}


def unverifying_context() -> ssl.SSLContext:
    """Return a context that encrypts and asks nobody who he is.

    It loads no CAs: for each connection that would take longer than the connection.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
