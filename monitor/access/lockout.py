"""What happens after too many failed logins?

Failures are counted per user name *and* address: an attacker locks out neither the user at other
addresses nor other users behind the same proxy. django-axes counts; the page is ours.
"""

from __future__ import annotations

import math

from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import Max
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import add_never_cache_headers
from django.utils.crypto import salted_hmac
from django.utils.timezone import now

from monitor.access.addresses import counted_address

TOO_MANY_REQUESTS = 429
UNKNOWN_USER = "unknown user"


def known_name(entered: str | None) -> str:
    """Return the name if such a user exists.

    Anything else may be a password entered into the wrong field: it is never stored.
    """
    if entered and User.objects.filter(username=entered[:150]).exists():
        return entered
    return UNKNOWN_USER


def counted_name(request: HttpRequest, credentials: dict[str, str] | None) -> str:
    """Return the key for counting failures: a user name, or a hash of any other input."""
    entered = (credentials or {}).get("username") or request.POST.get("username", "")
    name = known_name(entered)
    if name != UNKNOWN_USER:
        return name
    return f"{UNKNOWN_USER} {salted_hmac('monitor.access.lockout', entered).hexdigest()[:24]}"


def locked_out(
    request: HttpRequest, original: HttpResponse, credentials: dict[str, str] | None
) -> HttpResponse:
    """Render the lock-out page, with the time of the next attempt."""
    attempts = AccessAttempt.objects.filter(
        username=counted_name(request, credentials), ip_address=counted_address(request)
    )
    newest = attempts.aggregate(newest=Max("attempt_time"))["newest"] or now()
    retry_at = newest + settings.AXES_COOLOFF_TIME
    minutes = max(1, math.ceil((retry_at - now()).total_seconds() / 60))
    response = render(
        request,
        "monitor/locked_out.html",
        {"retry_at": retry_at, "minutes": minutes, "limit": settings.AXES_FAILURE_LIMIT},
        status=TOO_MANY_REQUESTS,
    )
    response["Retry-After"] = str(minutes * 60)
    add_never_cache_headers(response)
    return response
