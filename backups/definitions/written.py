"""How is a definition shown to people? Without passwords, and nothing in it moves a cursor."""

from __future__ import annotations

import re

from backups.visible import visible

# In a table of FEDERATED, CONNECT or SPIDER: user:password@host in an address, or an option.
_PASSWORDS = (
    re.compile(r"(?<=://)([^:@/\s'\"]*):[^@\n]*(?=@)"),
    re.compile(
        r"(?i)((?:\b|_)(?:password|pwd)\s*[= ]\s*)(?:\"[^\"]*\"|\\?'[^']*'|(?<==)[^\s,;&'\"]+)"
    ),
)
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
# Of the line that ends a table: the next number changes with every row that is inserted.
_NEXT_NUMBER = re.compile(
    r"(?m)^(\) (?:/\*!\d+ TABLESPACE `[^`\n]*` \*/ )?ENGINE=\w+) AUTO_INCREMENT=\d+"
)


def without_passwords(sql: str) -> str:
    """Return a statement without the passwords that addresses of other servers may hold."""
    address, option = _PASSWORDS
    return option.sub(r"\1'***'", address.sub(r"\1:***", sql))


def without_next_number(sql: str) -> str:
    """Return a table's statement without its counter of AUTO_INCREMENT, which rows change."""
    return _NEXT_NUMBER.sub(r"\1", sql)


def printable(sql: str) -> str:
    """Write out what would control a terminal: whoever may create a table chose its comment."""
    return _CONTROLS.sub(lambda found: f"\\x{ord(found[0]):02x}", visible(sql))
