"""What is said when a form came without its token."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from monitor.access.roles import public


@public
def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Say what to do; the reason is Django's own and helps whoever set up the proxy."""
    return render(request, "403_csrf.html", {"reason": reason}, status=403)
