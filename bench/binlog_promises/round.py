"""What does one promise of one product get, and what was seen of it?"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Round:
    """One promise and one product."""

    product: str
    # How often it is tried.
    count: int
    chance: random.Random
    # Empty, and removed afterwards.
    folder: Path
    tried: int = 0
    violations: list[str] = field(default_factory=list)

    def expect(self, holds: bool, what: str) -> None:
        """Note what has happened if the promise was not kept."""
        if not holds:
            self.violations.append(what)
