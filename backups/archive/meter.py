"""How far has an operation progressed? Numbers that one thread writes and any may read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Meter:
    """Progress of bytes through an archive. None is unknown."""

    raw_bytes: int = 0
    raw_bytes_total: int | None = None
    stored_bytes: int = 0
    # Read from the engine and not stored, because the base has them.
    unchanged_bytes: int = 0
    # Stored as differences from the full backup, before compression.
    difference_bytes: int = 0
    files_done: int = 0
    files_total: int | None = None
    current_file: str = ""
    # Whether the numbers come in few reports, with a rate of their own; None is unknown.
    reported: bool = False
    reported_rate: int | None = None
