"""From a claimed job to its outcome, and clearing up after workers that died."""
