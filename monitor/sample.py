"""Is what the pages show made up? Said on every one of them where it is."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest


def sample_notice(request: HttpRequest) -> dict[str, bool]:
    """Tell templates whether sample data was put into the database (a context processor)."""
    return {"sample_data": settings.SAMPLE_DATA}
