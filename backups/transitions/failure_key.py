"""Did two jobs fail the same way? Pure: compares errors without their variable parts."""

from __future__ import annotations

import hashlib
import re

# In this order: longer patterns are replaced before their parts.
_DIFFERS = (
    re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?(\.\d+)?Z?"),
    re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE),
    re.compile(r"\b[\w.-]+@\d{8}T\d{6}Z[\w-]*"),
    re.compile(r"(/[\w.@+-]+){2,}/?"),
    re.compile(r"\b(\d{1,3}\.){3}\d{1,3}(:\d+)?\b"),
    re.compile(r"\b0x[0-9a-f]+\b", re.IGNORECASE),
    re.compile(r"\d+([.,]\d+)*"),
)


def failure_key(failed_stage: str, error: str, instance_name: str = "") -> str:
    """Return a key that is equal for failures of one kind; blank without an error."""
    if not error:
        return ""
    return hashlib.sha256(
        f"{failed_stage}\n{normalised(error, instance_name)}".encode()
    ).hexdigest()[:32]


def normalised(error: str, instance_name: str = "") -> str:
    """Replace the times, numbers, paths, addresses and names in an error."""
    text = error
    if instance_name:
        text = re.sub(rf"(?<![\w-]){re.escape(instance_name)}(?![\w-])", "·", text)
    for pattern in _DIFFERS:
        text = pattern.sub("·", text)
    return " ".join(text.lower().split())
