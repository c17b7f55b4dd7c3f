"""Which client address of a request can be trusted?"""

from __future__ import annotations

import ipaddress

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str:
    """Return the address of the client; blank for a unix socket.

    Any client can send X-Forwarded-For. Only its last entries are trusted, one per proxy in
    MOORING_TRUSTED_PROXIES.
    """
    if proxies := settings.TRUSTED_PROXIES:
        forwarded = request.headers.get("X-Forwarded-For", "").split(",")
        if len(forwarded) >= proxies and (address := _valid_address(forwarded[-proxies])):
            return address
    return _valid_address(request.META.get("REMOTE_ADDR", ""))


def counted_address(request: HttpRequest) -> str | None:
    """Return the address that login attempts are counted by; None if there is none."""
    return client_address(request) or None


def _valid_address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text.strip()))
    except ValueError:
        return ""
