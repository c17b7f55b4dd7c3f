"""What is in InnoDB's files: pages and redo headers. Bytes in, facts out; no I/O of its own."""

from __future__ import annotations
