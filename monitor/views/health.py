"""Is the site healthy? For load balancers, without a login."""

from __future__ import annotations

from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from monitor.access.roles import public


@public
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """Respond with 200 if the database is reachable, else 503, without details."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return JsonResponse({"status": "database unreachable"}, status=503)
    return JsonResponse({"status": "ok"})
