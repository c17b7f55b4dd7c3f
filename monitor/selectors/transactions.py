"""What does the page of an instance's archived transactions show? A timeline, and a list.

The timeline of a long range is drawn from rows: a piece's bytes are spread over its time. Where few
pieces are in the range, their indexes are read and every transaction is counted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from django.http import QueryDict
from django.utils.http import urlencode
from django.utils.timezone import get_current_timezone_name, now

from backups.admin.places import place_to_wait
from backups.binlog_archive.transactions.browse import (
    Found,
    IndexedPiece,
    InstanceBinlogs,
    WantedTransactions,
    open_binlogs,
)
from backups.binlogs.index.words import what_it_did
from backups.binlogs.moments import from_micros, parse_moment, to_micros
from backups.exceptions import BadInput, MooringError, Refused
from backups.models import BinlogGap, Instance
from backups.units import format_bytes
from monitor.selectors.transaction import ShownTransaction, load_transaction

BARS = 60
WIDEST = timedelta(days=30)
NARROWEST = timedelta(seconds=BARS)
# Up to so many pieces are counted by their indexes.
MOST_INDEXES = 8
# A list looks in so many pieces on each side of its moment.
MOST_PIECES_LISTED = 30
# So much of the spool is indexed for a page.
MOST_SPOOLED_BYTES = 256 << 20
ROWS_BEFORE_AND_AFTER = 15
_LARGEST_EPOCH = 253_402_300_799


@dataclass(slots=True)
class VolumeBar:
    """A part of the range: how much was committed in it."""

    begins_at: datetime
    ends_at: datetime
    bytes: float = 0
    transactions: float = 0
    ddl: int = 0
    gap: bool = False
    # In percent of the highest.
    height: int = 0
    # The query string that shows this part alone.
    query: str = ""

    @property
    def top(self) -> int:
        return 100 - self.height

    @property
    def size(self) -> int:
        return round(self.bytes)

    @property
    def count(self) -> int:
        return round(self.transactions)


@dataclass(frozen=True, slots=True)
class TransactionRow:
    """A transaction of the list."""

    found: Found
    committed_at: datetime
    what: str
    query: str
    # The first one after the moment: the state of the moment is before it.
    is_stop: bool

    @property
    def name(self) -> str:
        return self.found.name


@dataclass(slots=True)
class TransactionsView:
    """Everything on the page."""

    begins_at: datetime
    ends_at: datetime
    moment: datetime | None = None
    wanted: WantedTransactions = field(default_factory=WantedTransactions)
    bars: list[VolumeBar] = field(default_factory=list)
    # Whether every transaction was counted.
    exact: bool = False
    rows: list[TransactionRow] = field(default_factory=list)
    chosen: ShownTransaction | None = None
    # Whether the list was not looked for in all pieces.
    incomplete: bool = False
    wider: str = ""
    error: str = ""
    hint: str = ""


def load_transactions(instance: Instance, query: QueryDict, *, values: bool) -> TransactionsView:
    """Read what the page shows; an error becomes its text. ``values``: rows are shown with them."""
    view = TransactionsView(*_range(query))
    try:
        view.wanted = _wanted(query)
        if moment := query.get("moment", "").strip()[:60]:
            view.moment = parse_moment(moment, get_current_timezone_name())
        with place_to_wait():
            _read(view, instance, query, values=values)
    except MooringError as error:
        view.error, view.hint = str(error), error.hint
    return view


def _read(view: TransactionsView, instance: Instance, query: QueryDict, *, values: bool) -> None:
    """Read repositories and the spool, which may hang."""
    binlogs = open_binlogs(instance)
    _refuse_backlog(binlogs)
    if name := query.get("name", "")[:200]:
        view.chosen = load_transaction(binlogs, binlogs.named(name), values=values)
    _draw(view, binlogs, instance)
    _list(view, binlogs, zoomed="from" in query)


def _refuse_backlog(binlogs: InstanceBinlogs) -> None:
    """A page does not index gigabytes."""
    spooled = sum(each.end - each.start for each in binlogs.pieces if each.segment is None)
    if spooled > MOST_SPOOLED_BYTES:
        raise Refused(
            f"{format_bytes(spooled)} of binlogs are in no repository yet, and have no index",
            hint="Use the command listtransactions, or wait until they are stored.",
        )


def _range(query: QueryDict) -> tuple[datetime, datetime]:
    """Return the range of the query; the last 30 days where it has none."""
    present = now()
    end = _epoch(query.get("to", "")) or present
    begin = _epoch(query.get("from", "")) or end - WIDEST
    if not NARROWEST <= end - begin <= WIDEST:
        begin = end - min(max(end - begin, NARROWEST), WIDEST)
    return begin, end


def _epoch(word: str) -> datetime | None:
    if not (word.isascii() and word.isdigit()) or int(word[:20]) > _LARGEST_EPOCH:
        return None
    # Room for a range on both sides.
    least = int(WIDEST.total_seconds())
    return datetime.fromtimestamp(min(max(int(word), least), _LARGEST_EPOCH - least), UTC)


def _wanted(query: QueryDict) -> WantedTransactions:
    least = query.get("min", "").strip() or "0"
    if not (least.isascii() and least.isdigit() and len(least) <= 12):
        raise BadInput(f"{least[:40]!r} is no number of bytes", hint="Write digits alone.")
    table = query.get("table", "").strip()[:200]
    return WantedTransactions(table, bool(query.get("ddl")), int(least))


def _draw(view: TransactionsView, binlogs: InstanceBinlogs, instance: Instance) -> None:
    step = (view.ends_at - view.begins_at) / BARS
    view.bars = [
        VolumeBar(view.begins_at + number * step, view.begins_at + (number + 1) * step)
        for number in range(BARS)
    ]
    inside = [piece for piece in binlogs.pieces if _overlaps(piece, view)]
    view.exact = len(inside) <= MOST_INDEXES
    for piece in inside:
        if view.exact or piece.segment is None:
            _count(view, binlogs, piece)
        else:
            _spread(view, piece)
    _mark_gaps(view, instance)
    highest = max(bar.bytes for bar in view.bars) or 1
    for bar in view.bars:
        # What is there can be seen.
        bar.height = max(round(100 * bar.bytes / highest), 2) if bar.bytes else 0
        bar.query = _query(bar.begins_at, bar.ends_at)
    length = view.ends_at - view.begins_at
    if length < WIDEST:
        middle, half = view.begins_at + length / 2, min(length * 6, WIDEST) / 2
        view.wider = _query(middle - half, middle + half)


def _overlaps(piece: IndexedPiece, view: TransactionsView) -> bool:
    segment = piece.segment
    if segment is None:
        return True
    first, last = segment.first_commit_at, segment.last_commit_at
    return (
        first is not None and last is not None and (first < view.ends_at and last >= view.begins_at)
    )


def _count(view: TransactionsView, binlogs: InstanceBinlogs, piece: IndexedPiece) -> None:
    begin, end = to_micros(view.begins_at), to_micros(view.ends_at)
    step = (end - begin) / BARS
    for micros, size, ddl in binlogs.index(piece).volumes():
        if begin <= micros < end:
            bar = view.bars[min(int((micros - begin) / step), BARS - 1)]
            bar.bytes += size
            bar.transactions += 1
            bar.ddl += ddl


def _spread(view: TransactionsView, piece: IndexedPiece) -> None:
    """Add a piece's bytes to the bars of its time, in equal parts."""
    segment = piece.segment
    assert segment is not None and segment.first_commit_at and segment.last_commit_at
    step = (view.ends_at - view.begins_at) / BARS
    first = int((segment.first_commit_at - view.begins_at) / step)
    last = int((segment.last_commit_at - view.begins_at) / step)
    parts = last - first + 1
    for number in range(max(first, 0), min(last, BARS - 1) + 1):
        view.bars[number].bytes += (piece.end - piece.start) / parts
        view.bars[number].transactions += segment.transactions / parts


def _mark_gaps(view: TransactionsView, instance: Instance) -> None:
    for gap in BinlogGap.objects.filter(instance=instance):
        begin = gap.after_commit_at or gap.before_commit_at or gap.noticed_at
        end = gap.before_commit_at or begin
        for bar in view.bars:
            bar.gap = bar.gap or (bar.begins_at <= end and bar.ends_at > begin)


def _list(view: TransactionsView, binlogs: InstanceBinlogs, *, zoomed: bool) -> None:
    moment = view.moment or (view.begins_at if zoomed else None)
    micros = to_micros(moment) if moment is not None else None
    found, _ = binlogs.around(micros, view.wanted, ROWS_BEFORE_AND_AFTER, MOST_PIECES_LISTED)
    view.incomplete = binlogs.incomplete
    stop = binlogs.first_later_than(to_micros(view.moment)) if view.moment else None
    view.rows = [
        TransactionRow(
            each,
            from_micros(each.transaction.commit_micros),
            what_it_did(each.transaction),
            urlencode({"name": each.transaction.gtid or each.place}),
            each == stop,
        )
        for each in found
    ]
    if not zoomed and view.moment is None:
        view.rows.reverse()


def _query(begin: datetime, end: datetime) -> str:
    first, last = int(begin.timestamp()), int(end.timestamp())
    if end - begin < NARROWEST:
        last = first + int(NARROWEST.total_seconds())
    return urlencode({"from": first, "to": last})
