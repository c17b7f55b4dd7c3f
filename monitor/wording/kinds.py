"""What is the kind of a backup called in a line of text?"""

from __future__ import annotations

from backups.states import PLANNED_KINDS

_WORDS = {str(kind): str(label).lower() for kind, label in PLANNED_KINDS}


def kind_in_words(kind: str) -> str:
    """Return ``full``, ``incremental``, ``automatic``; an unknown kind as it is."""
    return _WORDS.get(kind, kind)


def kinds_in_words(kinds: frozenset[str]) -> str:
    """Return ``full, incremental``, in the order of the kinds."""
    return ", ".join(word for kind, word in _WORDS.items() if kind in kinds)
