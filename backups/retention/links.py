"""What is a stored copy to retention, and which others does it need?

Pure. A chain lives whole in one repository, so a copy needs copies of that repository only.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

from backups.retention.locked import StoreLock


@dataclass(frozen=True, slots=True)
class KeptLink:
    """One stored copy of a backup of the instance."""

    key: int
    label: str
    # The key of its policy.
    policy: int
    ended_at: datetime
    # Whether it needs no other.
    full: bool = True
    # Which tables a partial one has, in words; blank: it is none.
    choice: str = ""
    # Key of the copy that it is based on; None if that is not stored.
    base: int | None = None
    # It can be read, and no proof of it has failed.
    sound: bool = True
    # A verify or a restore test of it has passed.
    passed: bool = False
    # Why a person keeps it; blank if nobody does.
    pinned: str = ""
    held: str = ""
    held_until: datetime | None = None
    # What forbids to delete it in its store.
    lock: StoreLock | None = None
    # Why nothing of its policy may be deleted now; blank if nothing is wrong.
    blocked: str = ""


class Chains:
    """The copies of one instance, and what each of them needs."""

    def __init__(self, links: Collection[KeptLink]) -> None:
        self._links = {link.key: link for link in links}
        self._sound: dict[int, bool] = {}
        for link in links:
            # From the full backup on, so that the answer about a base is known.
            for needed in reversed(list(self.with_needed(link))):
                if needed.key not in self._sound:
                    based = needed.base is not None and self._sound.get(needed.base, False)
                    self._sound[needed.key] = needed.sound and (needed.full or based)

    def with_needed(self, link: KeptLink) -> Iterator[KeptLink]:
        """Yield a link, its base, the base of that, up to the full backup."""
        seen: set[int] = set()
        current: KeptLink | None = link
        while current is not None and current.key not in seen:
            seen.add(current.key)
            yield current
            current = self._links.get(current.base) if current.base is not None else None

    def restorable(self, link: KeptLink) -> bool:
        """Whether it and all that it needs can be read, without a failed proof."""
        return self._sound[link.key]

    def proven(self, link: KeptLink) -> bool:
        """Whether it is restorable and a proof of it, which reads its chain, has passed."""
        return link.passed and self._sound[link.key]

    def root(self, link: KeptLink) -> KeptLink:
        """Return the first link of its chain, as far as that is stored."""
        return list(self.with_needed(link))[-1]
