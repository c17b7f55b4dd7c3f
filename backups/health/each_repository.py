"""How is every repository asked something without one waiting for another?

Each is asked in a thread of its own, which uses no row: whoever has answered is dealt with at once,
while another hangs until it is given up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import TypeVar

from backups.exceptions import MooringError
from backups.models import Repository

T = TypeVar("T")
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
            pool.submit(question, repository): repository for repository in asked
        }
        for future in as_completed(futures):
            try:
                answer: T | MooringError = future.result()
            except MooringError as exc:
                answer = exc
            yield futures[future], answer
