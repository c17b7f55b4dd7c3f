"""How does a receiver check that a request comes from Mooring, and is recent?

``Mooring-Signature: t=<unix seconds>,v1=<hex>``, where the hex is HMAC-SHA256 under the channel's
secret of the seconds, a dot and the body as sent. A receiver computes the same, compares in
constant time, and refuses requests older than a few minutes.
"""

from __future__ import annotations

import hashlib
import hmac


def build_signature(secret: str, body: bytes, at: int) -> str:
    """Return the header's value for a body sent at ``at``, in seconds since 1970."""
    signed = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256)
    return f"t={at},v1={signed.hexdigest()}"
