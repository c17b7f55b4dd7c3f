"""The page for a form without a valid CSRF token."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from monitor.access.roles import public


@public
def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Render what to do; Django's reason helps with a misconfigured proxy."""
    return render(request, "403_csrf.html", {"reason": reason}, status=403)
