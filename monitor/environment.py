"""Which settings does the environment contain?

Reads environment variables and the state folder, and stops the process at start if something
required is missing: a default would end up in production.
"""

from __future__ import annotations

import os
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

ROOT = Path(__file__).resolve().parent.parent


def state_folder() -> Path:
    """Return the folder for everything that is state: database, keys, sockets, logs."""
    return Path(os.environ.get("MOORING_HOME") or ROOT / "var").resolve()


def secret(name: str, *, file_name: str) -> str:
    """Read a secret from ``<name>``, from the file in ``<name>_FILE``, else from the state folder.

    An empty or missing file stops the process.
    """
    if text := os.environ.get(name, "").strip():
        return text
    path = Path(os.environ.get(f"{name}_FILE") or state_folder() / "keys" / file_name)
    try:
        text = path.read_text(encoding="utf-8").strip()
    except OSError as exc:
        raise ImproperlyConfigured(
            f"no secret: {path}: {exc.strerror}; set {name} or {name}_FILE, "
            "or let ./mooring create the key files"
        ) from None
    if not text:
        raise ImproperlyConfigured(f"no secret: {path} is empty")
    return text


def words(name: str, default: str) -> list[str]:
    """Read a comma separated list."""
    return [word.strip() for word in os.environ.get(name, default).split(",") if word.strip()]


def number(name: str, default: int, *, least: int = 0) -> int:
    """Read a whole number of at least ``least``."""
    text = os.environ.get(name, "").strip() or str(default)
    if not text.isdecimal() or int(text) < least:
        raise ImproperlyConfigured(f"{name} is {text!r}: set a whole number, {least} or more")
    return int(text)


def numbers(name: str, *, least: int = 0) -> dict[str, int]:
    """Read "this=3, that=4" into a table."""
    table = {}
    for entry in words(name, ""):
        key, _, text = (part.strip() for part in entry.partition("="))
        if not key or not text.isdecimal() or int(text) < least:
            raise ImproperlyConfigured(
                f"{name} contains {entry!r}: set NAME=NUMBER, {least} or more"
            )
        table[key] = int(text)
    return table


def choice(name: str, default: str, *others: str) -> str:
    """Read one of several words."""
    word = os.environ.get(name, "").strip().lower() or default
    if word not in (default, *others):
        raise ImproperlyConfigured(f"{name} is {word!r}: set {' or '.join((default, *others))}")
    return word


def switch(name: str) -> bool:
    """Read yes or no; anything else is refused."""
    text = os.environ.get(name, "no").lower()
    if text in {"1", "yes", "true", "on"}:
        return True
    if text in {"", "0", "no", "false", "off"}:
        return False
    raise ImproperlyConfigured(f"{name} is {text!r}: set yes or no")
