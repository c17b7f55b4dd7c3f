"""What of a statement does the index keep: the text of a DDL, but no values and no passwords."""

from __future__ import annotations

import re

SHOWN_CHARACTERS = 200
_DDL = frozenset({"CREATE", "ALTER", "DROP", "TRUNCATE", "RENAME", "GRANT", "REVOKE"})
# A comment in front; of a versioned one only its marks.
_IN_FRONT = re.compile(r"^(?:\s+|/\*(?!!).*?\*/|/\*M?!\d*)+", re.DOTALL)
_WORD = re.compile(r"[A-Za-z]+")
# What follows may be a password or its hash.
_SECRET = re.compile(r"\b(IDENTIFIED|PASSWORD|OPTIONS\s*\()", re.IGNORECASE)
_SPACE = re.compile(r"\s+")


def is_ddl(statement: bytes) -> bool:
    return first_word(statement.decode("utf-8", "replace")) in _DDL


def first_word(statement: str) -> str:
    match = _WORD.match(_IN_FRONT.sub("", statement, count=1))
    return match[0].upper() if match else ""


def kept_statement(statement: bytes) -> str:
    """Return a DDL's beginning up to anything secret; of any other statement its first word."""
    text = _SPACE.sub(" ", statement.decode("utf-8", "replace")).strip()
    if (word := first_word(text)) not in _DDL:
        return word
    if secret := _SECRET.search(text):
        text = text[: secret.start()] + "…"
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"
