"""Which format and which space id has a tablespace, by its first bytes, even damaged ones?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from backups.innodb.formats import FLAGS_OFFSET, LARGEST_PAGE, PageFormat, format_of, known_formats
from backups.innodb.verdict import PageVerdict, identity, judge

# Enough for two pages of the largest size.
HEAD_BYTES = 2 * LARGEST_PAGE


@dataclass(frozen=True, slots=True)
class Tablespace:
    """What a file's pages are held against. None is unknown."""

    form: PageFormat | None
    space_id: int | None = None
    # Of the file's first page: only the system tablespace goes on from file to file.
    first_page: int = 0


def told_by_first_page(head: bytes) -> Tablespace | None:
    """Return what page 0 tells, if it can be believed."""
    if len(head) < FLAGS_OFFSET + 4:
        return None
    form = format_of(int.from_bytes(head[FLAGS_OFFSET : FLAGS_OFFSET + 4], "big"))
    if form is None or len(head) < form.bytes:
        return None
    page = head[: form.bytes]
    if judge(page, form).verdict not in (PageVerdict.WHOLE, PageVerdict.UNKNOWN):
        return None
    number, space_id = identity(page, form)
    return Tablespace(form, space_id) if number == 0 else None


def recognise(head: bytes, default: PageFormat | None) -> Tablespace:
    """Return what page 0 tells; where it cannot be believed, what the pages behind it fit."""
    if (told := told_by_first_page(head)) is not None:
        return told
    fitting = [(len(ids), form, ids) for form in known_formats() if (ids := list(_ids(head, form)))]
    if not fitting:
        return Tablespace(default)
    # Of two that fit, the one that more pages speak for.
    _, form, ids = max(fitting, key=lambda found: found[0])
    return Tablespace(form, next((each for each in ids if each is not None), None))


def _ids(head: bytes, form: PageFormat) -> Iterator[int | None]:
    """Yield the space id of each page that is whole and in its place."""
    for position in range(1, len(head) // form.bytes):
        page = head[position * form.bytes : (position + 1) * form.bytes]
        if judge(page, form).verdict is PageVerdict.WHOLE:
            number, space_id = identity(page, form)
            if number == position:
                yield space_id
