"""How does a server write the names of schemas and tables in file names?"""

from __future__ import annotations

import re

# A character that is invalid in a file name is written as @ and its code point.
_ENCODED = re.compile(r"@([0-9a-f]{4})")


def decode_name(encoded: str) -> str:
    """Undo the encoding of identifiers in file names."""
    return _ENCODED.sub(lambda match: chr(int(match.group(1), 16)), encoded)
