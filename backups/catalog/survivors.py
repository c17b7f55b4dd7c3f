"""Does a remaining backup really exist, or only its row?

A failed or unmounted disk changes no row. Before bytes are deleted, the remaining backup is checked
on disk: its repository, its manifest, and the size of its packs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from django.db.models import QuerySet

from backups.access import checked_store
from backups.archive.packs import pack_name
from backups.exceptions import MooringError
from backups.models import BackupCopy
from backups.repositories.base import ObjectStore
from backups.repositories.layout import manifest_name


@dataclass(slots=True)
class Search:
    """A search for remaining copies that checks each repository and copy once."""

    # Descriptions of what was missing.
    missing: list[str] = field(default_factory=list)
    # The copies that were found whole, with all they need.
    found: list[BackupCopy] = field(default_factory=list)
    _seen: dict[int, bool] = field(default_factory=dict)
    _stores: dict[int, ObjectStore | None] = field(default_factory=dict)

    def finds_one(self, copies: QuerySet[BackupCopy]) -> bool:
        """Check copies from the newest on, and stop at the first that exists."""
        return self.finds(1, copies)

    def finds(self, count: int, copies: QuerySet[BackupCopy]) -> bool:
        """Check copies from the newest on, until so many backups exist with all they need."""
        newest = copies.select_related("repository", "backup").order_by("-backup__ended_at", "-id")
        there: set[int] = set()
        for copy in newest.iterator():
            if all(self._is_there(link) for link in _with_needed(copy)):
                there.add(copy.backup_id)
                if copy not in self.found:
                    self.found.append(copy)
            if len(there) >= count:
                return True
        return False

    def in_words(self) -> str:
        return "; ".join(self.missing)

    def _is_there(self, copy: BackupCopy) -> bool:
        if copy.pk not in self._seen:
            self._seen[copy.pk] = self._look_at(copy)
        return self._seen[copy.pk]

    def _look_at(self, copy: BackupCopy) -> bool:
        store = self._store_of(copy)
        if store is None:
            return False
        try:
            fault = _fault(store, copy)
        except MooringError as exc:
            fault = str(exc)
        if fault:
            self.missing.append(f"{copy}: {fault}")
        return not fault

    def _store_of(self, copy: BackupCopy) -> ObjectStore | None:
        key = copy.repository_id
        if key not in self._stores:
            self._stores[key] = None
            try:
                self._stores[key] = checked_store(copy.repository)
            except MooringError as exc:
                self.missing.append(f"repository {copy.repository} cannot be reached: {exc}")
        return self._stores[key]


def _with_needed(copy: BackupCopy) -> Iterator[BackupCopy]:
    """Yield a copy and those of the backups that it needs, in the same repository."""
    yield copy
    needed = BackupCopy.objects.filter(
        backup__descendants__backup=copy.backup_id, repository=copy.repository_id
    )
    yield from needed.select_related("repository", "backup")


def _fault(store: ObjectStore, copy: BackupCopy) -> str:
    """Return what the copy lacks; blank if it is complete."""
    if not store.exists(manifest_name(copy.path)):
        return "it has no manifest"
    packs = range(1, copy.pack_count + 1)
    there = sum(store.size(f"{copy.path}/{pack_name(number)}") for number in packs)
    if there != copy.stored_bytes:
        return f"its packs have {there} bytes instead of {copy.stored_bytes}"
    return ""
