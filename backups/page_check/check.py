"""Which bytes of a backup's frames are final pages, and is each of them whole?"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Callable, Sequence

from backups.archive.contents import StoredFile
from backups.archive.frames import Frame
from backups.archive.meter import Meter
from backups.archive.packs import PackIndex
from backups.archive.reader import BackupReader
from backups.exceptions import ArchiveError, RepositoryError
from backups.innodb.doublewrite import TRX_SYS_PAGE, doublewrite_pages
from backups.innodb.formats import PageFormat
from backups.innodb.recognise import HEAD_BYTES, Tablespace, judge_in_place
from backups.innodb.verdict import PageVerdict
from backups.page_check.files import SYSTEM_NAME, is_tablespace, is_unreadable, system_files
from backups.page_check.fragments import Fragments, PageKey
from backups.page_check.heads import Heads
from backups.page_check.later import LaterBytes
from backups.page_check.report import DamagedPage, PageReport

SYSTEM_SPACE = 0
# Pages may be larger than blocks.
PART_ONLY = "a part of the page is in another backup of the chain"


class PageCheck:
    """Checks every page once, in any order of frames, from many threads."""

    def __init__(
        self,
        reader: BackupReader,
        *,
        check: Callable[[], None],
        meter: Meter,
        needed: Sequence[BackupReader] = (),
    ) -> None:
        """``needed`` are the other backups of its chain, the full one first."""
        contents = reader.manifest.contents
        self._files = {file.number: file for file in contents.files if is_tablespace(file.path)}
        self._phases, self._meter = contents.phases, meter
        self._needs_others = contents.needs_others
        self._later, self._heads = LaterBytes(), Heads(reader, contents.files, needed)
        self._report = PageReport(files=len(self._files))
        for file in contents.files:
            if is_unreadable(file.path):
                self._report.add_unknown(
                    file.path, "an increment: only a prepare can place its pages"
                )
        if not system_files(contents.files) and not self._report.unknown:
            # Under any other name its pages were not checked: no pass for every page.
            self._report.add_unknown(SYSTEM_NAME, "no file has the name of a system tablespace", 0)
        # Damage in the system tablespace that may be in its doublewrite buffer.
        self._set_aside: list[DamagedPage] = []
        self._doublewrite: range | None = None
        self._lock = threading.RLock()
        self._fragments = Fragments(self._is_good, self._settle)
        self._usable = self._read_indexes(reader, check)

    def inspect(self, frame: Frame) -> None:
        """Check the pages in an opened frame, and keep the parts of those it cuts."""
        if not self._usable:
            return
        start = 0
        for extent in frame.extents:
            if (file := self._files.get(extent.file)) is not None:
                self._meter.current_file = file.path
                self._inspect_extent(file, frame, start, extent.offset, extent.length)
            start += extent.length

    def finish(self) -> PageReport:
        """Return the report, after the last frame."""
        report = self._report
        with self._lock:
            self._fragments.finish()
            for page in self._set_aside:
                if self._doublewrite is not None and page.page in self._doublewrite:
                    report.doublewrite += 1
                else:
                    report.add_damage(page)
            report.named.sort(key=lambda page: (page.file, page.page))
        return report

    def _read_indexes(self, reader: BackupReader, check: Callable[[], None]) -> bool:
        """Find out, before the first frame, which bytes are overridden and where page 0 is."""
        try:
            for pack in reader.manifest.contents.packs:
                check()
                self._read_index(reader.read_index(pack.number))
        except (ArchiveError, RepositoryError):
            # Reported by the reader of the packs: without an index, final bytes are unknown.
            for file in self._files.values():
                self._report.add_unknown(file.path, "a part of the backup is unreadable", 0)
            return False
        self._later.sort()
        return True

    def _read_index(self, index: PackIndex) -> None:
        for place in index.frames:
            phase = self._phase_of(place.number)
            for extent in place.extents:
                if extent.file not in self._files:
                    continue
                if phase:
                    self._later.add(extent.file, phase, extent.offset, extent.length)
                if extent.offset < HEAD_BYTES:
                    self._heads.add(extent.file, phase, index.number, place)

    def _phase_of(self, frame: int) -> int:
        return bisect_right(self._phases, frame) - 1

    def _inspect_extent(
        self, file: StoredFile, frame: Frame, start: int, offset: int, length: int
    ) -> None:
        head = b"" if offset else frame.content[start : start + min(length, HEAD_BYTES)]
        space = self._heads.tablespace(file, frame.number, head)
        if space.form is None:
            with self._lock:
                self._report.add_unknown(file.path, "its page size is unknown", 0)
            return
        phase = self._phase_of(frame.number)
        whole = empty = 0
        for begin, end in self._later.surviving(file.number, phase, offset, offset + length):
            while begin < end:
                position, inside = divmod(begin, space.form.bytes)
                stop = min(end, begin - inside + space.form.bytes)
                at = start + begin - offset
                piece = frame.content[at : at + stop - begin]
                if len(piece) == space.form.bytes:
                    verdict = self._look_at(file, space, space.form, position, piece)
                    whole += verdict is PageVerdict.WHOLE
                    empty += verdict is PageVerdict.EMPTY
                else:
                    with self._lock:
                        key = PageKey(file.number, position)
                        self._fragments.add(key, inside, piece, space.form.bytes)
                begin = stop
        with self._lock:
            self._report.whole += whole
            self._report.empty += empty

    def _look_at(
        self, file: StoredFile, space: Tablespace, form: PageFormat, position: int, page: bytes
    ) -> PageVerdict:
        """Check a page, and record a bad verdict; the caller counts the good ones."""
        verdict, why = judge_in_place(page, space, form, position)
        number = space.first_page + position
        if verdict is PageVerdict.UNKNOWN:
            with self._lock:
                self._report.add_unknown(file.path, why)
        elif verdict is PageVerdict.DAMAGED:
            with self._lock:
                self._note(DamagedPage(file.path, number, space.space_id, why), form)
        elif number == TRX_SYS_PAGE and space.space_id == SYSTEM_SPACE:
            self._doublewrite = doublewrite_pages(page, form)
        return verdict

    def _note(self, damage: DamagedPage, form: PageFormat) -> None:
        extent = form.pages_of_extent
        if damage.space_id == SYSTEM_SPACE and extent <= damage.page < 3 * extent:
            self._set_aside.append(damage)
        else:
            self._report.add_damage(damage)

    # Called by the fragments, under the lock

    def _is_good(self, key: PageKey, page: bytes) -> bool:
        space, form = self._of(key)
        return judge_in_place(page, space, form, key.position).verdict is not PageVerdict.DAMAGED

    def _settle(self, key: PageKey, page: bytes, all_came: bool) -> None:
        space, form = self._of(key)
        if self._needs_others and not all_came and not self._is_good(key, page):
            self._report.add_unknown(self._files[key.file].path, PART_ONLY)
            return
        verdict = self._look_at(self._files[key.file], space, form, key.position, page)
        self._report.whole += verdict is PageVerdict.WHOLE
        self._report.empty += verdict is PageVerdict.EMPTY

    def _of(self, key: PageKey) -> tuple[Tablespace, PageFormat]:
        space = self._heads.tablespace(self._files[key.file], -1, b"")
        assert space.form is not None, "a page was cut without knowing its size"
        return space, space.form
