"""What can stand around any store: a store itself, with the same contract."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from backups.repositories.base import ObjectStore
from backups.repositories.usage import StoreUsage
from backups.repositories.wrappers.answering import AnsweringStore
from backups.repositories.wrappers.counting import CountingStore
from backups.repositories.wrappers.retry import RetryingStore
from backups.repositories.wrappers.write_only import WriteOnlyStore

# By name; the contract's test puts each of them around each kind of store. One that deletes nothing
# keeps the rest of the contract only.
WRAPPERS: Mapping[str, Callable[[ObjectStore], ObjectStore]] = {
    "retry": RetryingStore,
    "answering": AnsweringStore,
    "counting": lambda store: CountingStore(store, StoreUsage()),
}

__all__ = ["WRAPPERS", "AnsweringStore", "CountingStore", "RetryingStore", "WriteOnlyStore"]
