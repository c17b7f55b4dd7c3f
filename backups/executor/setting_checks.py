"""Do the settings name existing stages? A misspelt one would be ignored silently."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import Error


def check_stalling_stages(**_: Any) -> list[Error]:
    """Check MOORING_STALL_SECONDS_OF_STAGES. Any: Django's own arguments."""
    if not settings.STALL_SECONDS_OF_STAGES:
        return []
    # Not imported at start-up: neither the web process nor most commands need the engines.
    from backups.engines import ENGINES
    from backups.executor.operations import stage_names

    known = stage_names() | {name for engine in ENGINES.values() for name in engine.stages}
    if not (unknown := sorted(set(settings.STALL_SECONDS_OF_STAGES) - known)):
        return []
    return [
        Error(
            f"MOORING_STALL_SECONDS_OF_STAGES names unknown stages: {', '.join(unknown)}",
            hint=f"Stages and sub-operations are: {', '.join(sorted(known))}.",
            id="backups.E001",
        )
    ]
