"""How is every repository asked something without one waiting for another?

Each is asked in a thread of its own, which writes no row: whoever has answered is dealt with at
once, while another hangs until it is given up.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import TypeVar

from django.db import connections

from backups.access import UsableStores, checked_store
from backups.exceptions import MooringError
from backups.models import BackupCopy, Repository, SegmentCopy
from backups.repositories.base import ObjectStore

logger = logging.getLogger(__name__)

T = TypeVar("T")
Row = TypeVar("Row", BackupCopy, SegmentCopy)
# Asked at the same time; a fleet has few repositories.
MOST_AT_ONCE = 32


def ask_each(
    repositories: Iterable[Repository], question: Callable[[Repository], T]
) -> Iterator[tuple[Repository, T | MooringError]]:
    """Yield each repository with its answer or error, in the order in which they answer.

    ``question`` is called in other threads.
    """
    asked = list(repositories)
    if not asked:
        return
    with ThreadPoolExecutor(min(len(asked), MOST_AT_ONCE)) as pool:
        futures: dict[Future[T], Repository] = {
            pool.submit(_ask, question, repository): repository for repository in asked
        }
        for future in as_completed(futures):
            try:
                answer: T | MooringError = future.result()
            except MooringError as exc:
                answer = exc
            yield futures[future], answer


def open_apart(repositories: Iterable[Repository]) -> UsableStores:
    """Return the checked stores of repositories; those that cannot be used are left out."""
    stores = UsableStores()
    for repository, found in ask_each(repositories, checked_store):
        stores.note(repository, None if isinstance(found, MooringError) else found)
    return stores


def look_apart(
    rows: Iterable[Row], look: Callable[[ObjectStore, Row], T]
) -> Iterator[tuple[Row, T | None]]:
    """Yield each row with what ``look`` found; None where its repository could not be used.

    One that fails is left alone: it would be waited for with each of its objects.
    """
    by_repository: defaultdict[Repository, list[Row]] = defaultdict(list)
    for row in rows:
        by_repository[row.repository].append(row)

    def look_at_all(repository: Repository) -> tuple[list[T], MooringError | None]:
        store, found = checked_store(repository), list[T]()
        for row in by_repository[repository]:
            try:
                found.append(look(store, row))
            except MooringError as exc:
                return found, exc
        return found, None

    for repository, answer in ask_each(by_repository, look_at_all):
        found: list[T] = []
        error: MooringError | None
        if isinstance(answer, MooringError):
            error = answer
        else:
            found, error = answer
        if error is not None:
            logger.warning(
                "%s is not used until the next pass: %s",
                repository,
                error,
                extra={"action": "repository_left", "repository": repository.name},
            )
        missing: list[T | None] = [None] * (len(by_repository[repository]) - len(found))
        yield from zip(by_repository[repository], [*found, *missing], strict=True)


def _ask(question: Callable[[Repository], T], repository: Repository) -> T:
    try:
        return question(repository)
    finally:
        # The catalog of a medium is in the database; the connection is this thread's.
        connections.close_all()
