"""From which address does a request come, as far as we may believe it?"""

from __future__ import annotations

import ipaddress

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str:
    """Return the address of whoever asks; blank where it came through a unix socket.

    Anybody can send X-Forwarded-For. Only its last entries are believed, one for each proxy
    that the operator says stands in front of us.
    """
    if proxies := settings.TRUSTED_PROXIES:
        told = request.headers.get("X-Forwarded-For", "").split(",")
        if len(told) >= proxies and (address := _plain(told[-proxies])):
            return address
    return _plain(request.META.get("REMOTE_ADDR", ""))


def counted_address(request: HttpRequest) -> str | None:
    """Return the address as login attempts are counted by it; None where there is none."""
    return client_address(request) or None


def _plain(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text.strip()))
    except ValueError:
        return ""
