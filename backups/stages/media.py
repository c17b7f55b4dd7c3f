"""How does a job end that waits for a tape?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

from backups.repositories.base import ObjectStore
from backups.repositories.sequential.store import sequential
from backups.running.run import Run


@contextmanager
def stopped_with(run: Run, stores: Iterable[ObjectStore]) -> Iterator[None]:
    """Inside, a stop of the job kills the commands of sequential media: they may be silent."""
    with ExitStack() as hooks:
        for store in stores:
            if (media := sequential(store)) is not None:
                hooks.enter_context(run.ending_by(media.stop))
        yield
