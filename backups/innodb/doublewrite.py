"""Which pages of the system tablespace are its doublewrite buffer?

MariaDB, and MySQL before 8.0.20, write every page there before it is written to its place: it holds
copies of other pages, whole or torn, and no content of any table.
"""

from __future__ import annotations

from backups.innodb.formats import PageFormat

# The page with its position, if there is one.
TRX_SYS_PAGE = 5
_MAGIC = (536853855).to_bytes(4, "big")
_FROM_END, _MAGIC_AT, _FIRST_BLOCK_AT, _SECOND_BLOCK_AT = 200, 10, 14, 18


def doublewrite_pages(trx_sys: bytes, form: PageFormat) -> range | None:
    """Return the page numbers, of two adjacent extents; None if there is none."""
    place = len(trx_sys) - _FROM_END
    if trx_sys[place + _MAGIC_AT : place + _MAGIC_AT + 4] != _MAGIC:
        return None
    first = int.from_bytes(trx_sys[place + _FIRST_BLOCK_AT :][:4], "big")
    second = int.from_bytes(trx_sys[place + _SECOND_BLOCK_AT :][:4], "big")
    if second != first + form.pages_of_extent:
        return None
    return range(first, second + form.pages_of_extent)
