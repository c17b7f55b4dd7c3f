"""What happens to somebody who guesses passwords?

Failures are counted by user name *and* address: a guesser locks out neither the user
elsewhere nor the others behind the same proxy. django-axes counts; the words are ours.
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


def known_name(typed: str | None) -> str:
    """Return the name of a user that exists.

    What else people type there may be a password: it is kept nowhere.
    """
    if typed and User.objects.filter(username=typed[:150]).exists():
        return typed
    return UNKNOWN_USER


def counted_name(request: HttpRequest, credentials: dict[str, str] | None) -> str:
    """Return what failures are counted by: a user's name, or a fingerprint of what is none."""
    typed = (credentials or {}).get("username") or request.POST.get("username", "")
    name = known_name(typed)
    if name != UNKNOWN_USER:
        return name
    return f"{UNKNOWN_USER} {salted_hmac('monitor.access.lockout', typed).hexdigest()[:24]}"


def locked_out(
    request: HttpRequest, original: HttpResponse, credentials: dict[str, str] | None
) -> HttpResponse:
    """Say that it was tried too often, and when to try again."""
    attempts = AccessAttempt.objects.filter(
        username=counted_name(request, credentials), ip_address=counted_address(request)
    )
    newest = attempts.aggregate(newest=Max("attempt_time"))["newest"] or now()
    again_at = newest + settings.AXES_COOLOFF_TIME
    minutes = max(1, math.ceil((again_at - now()).total_seconds() / 60))
    response = render(
        request,
        "monitor/locked_out.html",
        {"again_at": again_at, "minutes": minutes, "limit": settings.AXES_FAILURE_LIMIT},
        status=TOO_MANY_REQUESTS,
    )
    response["Retry-After"] = str(minutes * 60)
    add_never_cache_headers(response)
    return response
