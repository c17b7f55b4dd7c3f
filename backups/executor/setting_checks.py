"""Are the settings about names there are? A misspelt one would be ignored without a word."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import Error


def check_stalling_stages(**_: Any) -> list[Error]:
    """Look at MOORING_STALL_SECONDS_OF_STAGES. Any: Django passes what it likes."""
    if not settings.STALL_SECONDS_OF_STAGES:
        return []
    # Not at start-up: neither the web process nor most commands need the engines.
    from backups.engines import ENGINES
    from backups.executor.operations import stage_names

    known = stage_names() | {name for engine in ENGINES.values() for name in engine.stages}
    if not (unknown := sorted(set(settings.STALL_SECONDS_OF_STAGES) - known)):
        return []
    return [
        Error(
            f"MOORING_STALL_SECONDS_OF_STAGES names {', '.join(unknown)}: no stage is called so",
            hint=f"Stages and sub-operations are: {', '.join(sorted(known))}.",
            id="backups.E001",
        )
    ]
