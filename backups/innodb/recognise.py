"""Which format and space id has a tablespace, by its first bytes, and does a page belong in it?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from backups.innodb.formats import FLAGS_OFFSET, LARGEST_PAGE, PageFormat, format_of, known_formats
from backups.innodb.verdict import Judgement, PageVerdict, identity, judge

# Enough for two pages of the largest size.
HEAD_BYTES = 2 * LARGEST_PAGE


@dataclass(frozen=True, slots=True)
class Tablespace:
    """The format and identity a file's pages must have. None is unknown."""

    form: PageFormat | None
    space_id: int | None = None
    # The number of the file's first page: only the system tablespace spans several files.
    first_page: int = 0


def parse_first_page(head: bytes) -> Tablespace | None:
    """Return the tablespace in page 0; None if that is damaged."""
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
    """Return the tablespace in page 0 or, if that is damaged, the one later pages fit."""
    if (known := parse_first_page(head)) is not None:
        return known
    fitting = [(len(ids), form, ids) for form in known_formats() if (ids := list(_ids(head, form)))]
    if not fitting:
        return Tablespace(default)
    # Of several that fit, the one with the most pages.
    _, form, ids = max(fitting, key=lambda candidate: candidate[0])
    return Tablespace(form, next((space for space in ids if space is not None), None))


def _ids(head: bytes, form: PageFormat) -> Iterator[int | None]:
    """Yield the space id of each page that is whole and in its place."""
    for position in range(1, len(head) // form.bytes):
        page = head[position * form.bytes : (position + 1) * form.bytes]
        if judge(page, form).verdict is PageVerdict.WHOLE:
            number, space_id = identity(page, form)
            if number == position:
                yield space_id


def judge_in_place(page: bytes, space: Tablespace, form: PageFormat, position: int) -> Judgement:
    """Check a page by its own header, and by its place in the file."""
    judged = judge(page, form)
    if judged.verdict is not PageVerdict.WHOLE:
        return judged
    number, space_id = identity(page, form)
    astray = number != space.first_page + position
    foreign = None not in (space_id, space.space_id) and space_id != space.space_id
    if astray or foreign:
        of = "" if space_id is None else f" of space {space_id}"
        return Judgement(PageVerdict.DAMAGED, f"page {number}{of} is in its place")
    return judged
