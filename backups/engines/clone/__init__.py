"""The engine for MySQL: a clone over the server's own port. It needs nothing on the host."""

from __future__ import annotations

from backups.engines.clone.details import CloneDetails, CloneOptions
from backups.engines.clone.engine import CloneEngine

__all__ = ["CloneDetails", "CloneEngine", "CloneOptions"]
