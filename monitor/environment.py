"""Which settings does the environment contain?

Reads environment variables and the state folder, and stops the process at start if something
required is missing: a default would end up in production.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
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


def switch(name: str, default: str = "no") -> bool:
    """Read yes or no; anything else is refused."""
    text = os.environ.get(name, default).strip().lower() or default
    if text in {"1", "yes", "true", "on"}:
        return True
    if text in {"0", "no", "false", "off"}:
        return False
    raise ImproperlyConfigured(f"{name} is {text!r}: set yes or no")


def is_same_site(one: str, other: str) -> bool:
    """Whether two URLs lead to the same site; all names of this host are one."""
    return _named_once(one) == _named_once(other)


def _named_once(url: str) -> str:
    scheme, _, rest = url.partition("://")
    for name in LOOPBACK:
        if rest == name or rest.startswith(f"{name}:"):
            return f"{scheme}://localhost{rest.removeprefix(name)}"
    return url


def site_url(environment: Mapping[str, str], hosts: Sequence[str], *, tls: bool) -> str:
    """Return the URL of the site: ``MOORING_URL``, else worked out from where it listens.

    A host that people use is one of ``hosts``, which the site answers to; a proxy in front of it
    has the usual port.
    """
    if given := environment.get("MOORING_URL", "").strip():
        return given.rstrip("/")
    bound = (
        environment.get("MOORING_BIND") or f"127.0.0.1:{environment.get('MOORING_PORT') or 8000}"
    )
    host, _, port = bound.rpartition(":")
    named = [known for known in hosts if known not in LOOPBACK and known[:1] not in {"*", "."}]
    if tls and named:
        return f"https://{named[0]}"
    if host in LOOPBACK:
        return f"http://localhost:{port}"
    if host in {"0.0.0.0", "[::]", ""}:  # noqa: S104 - compared, not bound  # nosec B104
        host = named[0] if named else "localhost"
    return f"http://{host}:{port}"
