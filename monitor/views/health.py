"""Is the site healthy? For load balancers, without a login."""

from __future__ import annotations

from django.db import DatabaseError
from django.http import HttpRequest, JsonResponse
from django.utils.timezone import now
from django.views.decorators.http import require_safe

from monitor.access.roles import public
from monitor.selectors.shell import load_scheduler_state


@public
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """Respond with 200 if the database is reachable, else 503; and whether the scheduler runs.

    A stopped scheduler is no 503: the site would be taken away from those who look for the cause.
    """
    try:
        scheduler = load_scheduler_state(now())
    except DatabaseError:
        return JsonResponse({"status": "database unreachable"}, status=503)
    return JsonResponse(
        {"status": "ok", "scheduler": "stopped" if scheduler.stopped else "running"}
        if scheduler.finished_at or scheduler.stopped
        else {"status": "ok", "scheduler": "never ran"}
    )
