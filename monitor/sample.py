"""Do the pages show sample data? If so, every page says so."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest


def sample_notice(request: HttpRequest) -> dict[str, bool]:
    """Provide to templates whether the database holds sample data (a context processor)."""
    return {"sample_data": settings.SAMPLE_DATA}
