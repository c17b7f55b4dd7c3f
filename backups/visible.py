"""How is a text shown that came from a server? Marks that change its direction are written out.

A name may contain U+202E and read backwards from there, together with what follows it: "cats", or
a path in a command to be copied, looks like another one. Such marks have no width and no use in the
names of tables and files, so people see their number instead.
"""

from __future__ import annotations

import re

# U+061C, U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069.
_MARKS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def visible(text: str) -> str:
    """Return the text with ``\\u202e`` and its like as six characters each."""
    return _MARKS.sub(lambda mark: f"\\u{ord(mark[0]):04x}", text)
