"""From when to when: pieces and backups in a row, and everything that breaks it."""

from __future__ import annotations

import pytest

from backups.binlog_archive.recovery.ranges import (
    BackupPoint,
    PieceFacts,
    Place,
    RangeFacts,
    TimelineFacts,
    find_ranges,
    find_stretches,
    gtids_join,
)
from tests.backups.binlog_archive.spooled import HOUR, MINUTE, T0

U, V = "ef532ada-ec76-11f1-a223-02fc00000001", "ef532ada-ec76-11f1-a223-02fc00000002"


def piece(
    number: int, start: int, end: int, *, joined: bool = True, there: bool = True, timeline: int = 1
) -> PieceFacts:
    """A piece whose last commit is as many minutes after T0 as its file's number."""
    file = f"b.{number:06}"
    at = T0 + number * MINUTE
    return PieceFacts(timeline, file, number, start, end, joined, at, there, at + MINUTE)


def backup(number: int, position: int, *, pk: int = 1, minute: int = 0) -> BackupPoint:
    at = T0 + minute * MINUTE
    return BackupPoint(pk, at, at, f"b.{number:06}", position, "")


def timeline(
    pk: int = 1, *, ended: int | None = None, reset: bool = False, seam: Place | None = None
) -> TimelineFacts:
    end = None if ended is None else T0 + ended * MINUTE
    start = "Binlogs were reset" if reset else "Archive enabled"
    before = None if seam is None else pk - 1
    return TimelineFacts(pk, start, reset or seam is not None, end, "", seam, before)


def ranges(
    pieces: list[PieceFacts],
    backups: list[BackupPoint],
    timelines: tuple[TimelineFacts, ...] = (timeline(),),
) -> list[RangeFacts]:
    return find_ranges(list(find_stretches(pieces)), timelines, backups, lambda *_: True)


def ranges_with(
    pieces: list[PieceFacts], point: BackupPoint, history: TimelineFacts
) -> list[RangeFacts]:
    return ranges(pieces, [point], (history,))


ROW = [piece(1, 0, 50, joined=False), piece(1, 50, 100), piece(2, 0, 70), piece(3, 0, 30)]


class TestOneHistory:
    def test_a_backup_leads_to_the_present(self) -> None:
        (span,) = ranges(ROW, [backup(1, 60)])
        assert (span.open, span.to_file, span.to_position) == (True, "b.000003", 30)
        assert span.to_at == T0 + 3 * MINUTE

    @pytest.mark.parametrize(
        ("number", "position", "inside"),
        [(1, 0, True), (3, 30, True), (1, 100, True), (3, 31, False), (4, 4, False), (0, 9, False)],
    )
    def test_its_coordinates_must_be_in_the_row(
        self, number: int, position: int, inside: bool
    ) -> None:
        assert bool(ranges(ROW, [backup(number, position)])) is inside

    def test_a_backup_without_coordinates_leads_nowhere(self) -> None:
        for point in (
            BackupPoint(1, T0, T0, "", None, ""),
            BackupPoint(1, T0, T0, "b.000001", None, ""),
            BackupPoint(1, T0, T0, "../x", 4, ""),
            BackupPoint(1, T0, T0, "other.000001", 60, ""),
        ):
            assert ranges(ROW, [point]) == []

    @pytest.mark.parametrize(
        ("minute", "ended", "inside"), [(1, None, False), (2, None, True), (9, None, True),
                                        (2, 60, True), (3, 60, False)],
    )  # fmt: skip
    def test_a_clone_without_coordinates_is_placed_by_its_times(
        self, minute: int, ended: int | None, inside: bool
    ) -> None:
        at = T0 + minute * MINUTE
        clone = BackupPoint(1, at, at, "", None, "")
        # The first piece was cut 2 minutes after T0, the last commit came after 3.
        assert bool(ranges_with(ROW, clone, timeline(ended=ended))) is inside

    def test_the_oldest_and_the_newest_backup_are_named(self) -> None:
        points = [backup(1, 60, pk=1), backup(2, 8, pk=2, minute=1), backup(3, 8, pk=3, minute=2)]
        (span,) = ranges(ROW, points)
        assert (span.oldest.pk, span.newest.pk) == (1, 3)

    def test_a_missing_piece_cuts_it_in_two(self) -> None:
        pieces = [ROW[0], ROW[1], piece(2, 0, 70, there=False), ROW[3]]
        early, late = ranges(pieces, [backup(1, 60), backup(3, 8, pk=2, minute=9)])
        assert (early.open, early.to_file, early.to_position) == (False, "b.000001", 100)
        assert early.ends_because == "b.000002 from 0 on cannot be read"
        assert late.open
        assert ranges(pieces, [backup(2, 8)]) == []

    def test_a_file_is_of_no_use_without_its_beginning(self) -> None:
        pieces = [piece(1, 0, 50, joined=False, there=False), *ROW[1:]]
        assert ranges(pieces, [backup(1, 60)]) == []
        (span,) = ranges(pieces, [backup(2, 8)])
        assert span.open
        # Its beginning is enough where another piece is missing.
        pieces = [ROW[0], piece(1, 50, 70, there=False), piece(1, 70, 100), *ROW[2:]]
        assert [each.open for each in ranges(pieces, [backup(1, 80)])] == [True]

    def test_a_piece_that_does_not_join_cuts_it(self) -> None:
        pieces = [ROW[0], ROW[1], piece(3, 0, 30, joined=False)]
        (span,) = ranges(pieces, [backup(1, 60)])
        assert span.ends_because == "b.000003 from 0 on does not join the one before it"
        assert not span.open

    def test_a_clock_that_went_back_does_not_shorten_it(self) -> None:
        pieces = [piece(5, 0, 50, joined=False), piece(5, 50, 60)]
        pieces.append(PieceFacts(1, "b.000006", 6, 0, 9, True, T0 - HOUR, True, T0 + 7 * MINUTE))
        (span,) = ranges(pieces, [backup(5, 60)])
        assert span.to_at == T0 + 5 * MINUTE


class TestSeveralHistories:
    PIECES = (*ROW, piece(1, 0, 90, joined=False, timeline=2))
    BOTH = (timeline(1, ended=30), timeline(2, reset=True))

    def test_a_backup_belongs_to_the_history_of_its_time(self) -> None:
        (span,) = ranges(list(self.PIECES), [backup(1, 60, minute=5)], self.BOTH)
        assert (span.timeline, span.open) == (1, False)
        assert span.ends_because == "the history ends: binlogs were reset"
        (span,) = ranges(list(self.PIECES), [backup(1, 60, minute=40)], self.BOTH)
        assert (span.timeline, span.open) == (2, True)

    def test_sets_decide_where_times_do_not(self) -> None:
        stretches = list(find_stretches(self.PIECES))
        found = find_ranges(
            stretches, self.BOTH, [backup(1, 60, minute=5)], lambda timeline, _: timeline == 2
        )
        assert found == []


class TestFailovers:
    NEW = (
        piece(7, 0, 40, joined=False, timeline=2),
        piece(7, 40, 90, timeline=2),
        piece(1, 0, 60, joined=False, timeline=3),
    )
    SEAM, NEXT = Place(7, 40), Place(1, 0)

    def histories(self, *seams: Place | None) -> tuple[TimelineFacts, ...]:
        return (
            timeline(1, ended=30),
            timeline(2, ended=60, seam=seams[0]),
            timeline(3, reset=True, seam=seams[1]),
        )

    def test_one_range_over_two_of_them(self) -> None:
        histories = self.histories(self.SEAM, self.NEXT)
        points = [backup(1, 60, minute=5), backup(7, 50, pk=2, minute=40)]
        (span,) = ranges([*ROW, *self.NEW], points, histories)
        assert (span.timeline, span.open, span.to_file) == (3, True, "b.000001")
        assert (span.oldest.pk, span.newest.pk) == (1, 2)
        assert span.to_at == T0 + 7 * MINUTE

    def test_where_one_does_not_go_on_it_ends(self) -> None:
        histories = self.histories(self.SEAM, None)
        (span,) = ranges([*ROW, *self.NEW], [backup(1, 60, minute=5)], histories)
        assert (span.timeline, span.open) == (2, False)
        histories = self.histories(None, self.NEXT)
        points = [backup(1, 60, minute=5), backup(7, 50, pk=2, minute=40)]
        early, late = ranges([*ROW, *self.NEW], points, histories)
        assert [(each.timeline, each.open) for each in (early, late)] == [(1, False), (3, True)]

    def test_a_gap_before_or_after_the_seam_cuts_it(self) -> None:
        histories = self.histories(self.SEAM, self.NEXT)
        lost = [*ROW[:-1], piece(3, 0, 30, there=False), *self.NEW]
        (span,) = ranges(lost, [backup(1, 60, minute=5)], histories)
        assert (span.timeline, span.to_file) == (1, "b.000002")
        lost = [*ROW, self.NEW[0], piece(7, 40, 90, there=False, timeline=2), self.NEW[2]]
        (span,) = ranges(lost, [backup(1, 60, minute=5)], histories)
        assert (span.timeline, span.to_position, span.open) == (2, 40, False)

    def test_a_server_of_which_nothing_can_be_read_is_not_passed_over(self) -> None:
        histories = self.histories(self.SEAM, self.NEXT)
        lost = [piece(7, 0, 90, joined=False, there=False, timeline=2), self.NEW[2]]
        (span,) = ranges([*ROW, *lost], [backup(1, 60, minute=5)], histories)
        assert (span.timeline, span.open) == (1, False)

    def test_a_clone_before_it_counts_if_the_new_server_goes_on(self) -> None:
        at = T0 + 4 * MINUTE
        clone = BackupPoint(1, at, at, "", None, "")
        for seam, count in ((self.SEAM, 1), (None, 0)):
            histories = self.histories(seam, self.NEXT)
            assert len(ranges([*ROW, *self.NEW], [clone], histories)) == count


@pytest.mark.parametrize(
    ("backup_set", "before", "after", "joined"),
    [
        ("", f"{U}:1-5", f"{U}:1-9", True),
        (f"{U}:1-7", "", "", True),
        (f"{U}:1-7", f"{U}:1-5", f"{U}:1-9", True),
        (f"{U}:1-5", f"{U}:1-5", f"{U}:1-9", True),
        (f"{U}:1-9", f"{U}:1-5", f"{U}:1-9", True),
        (f"{U}:1-4", f"{U}:1-5", f"{U}:1-9", False),
        (f"{U}:1-10", f"{U}:1-5", f"{U}:1-9", False),
        (f"{V}:1-7", f"{U}:1-5", f"{U}:1-9", False),
        (f"{U}:1-7", "", f"{U}:1-9", True),
        ("0-1-7", "0-1-5", "0-1-9", True),
        ("0-1-4", "0-1-5", "0-1-9", False),
        ("0-2-8,1-1-1", "0-1-5,1-1-1", "0-1-9,1-1-4", True),
        ("0-1-7", f"{U}:1-5", f"{U}:1-9", False),
        ("nonsense", "0-1-5", "0-1-9", False),
    ],
)
def test_the_gtids_of_a_backup_must_be_those_of_the_piece(
    backup_set: str, before: str, after: str, joined: bool
) -> None:
    assert gtids_join(backup_set, before, after) is joined
