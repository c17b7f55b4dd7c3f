"""What every POST shares: who asks, how a refusal is told, and where it leads back to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponseRedirect
from django.shortcuts import resolve_url
from django.utils.http import url_has_allowed_host_and_scheme

from backups.exceptions import MooringError


def asking_user(request: HttpRequest) -> User:
    """Return who asks; only behind a role, where nobody is anonymous."""
    user = request.user
    assert isinstance(user, User)
    return user


@contextmanager
def refusals_shown(request: HttpRequest) -> Iterator[None]:
    """Turn a refusal into a message on the next page, with what to do about it."""
    try:
        yield
    except MooringError as exc:
        text = str(exc)
        messages.error(request, f"{text[:1].upper()}{text[1:]}. {exc.hint}".rstrip())


def lead_back(request: HttpRequest, otherwise: str) -> HttpResponseRedirect:
    """Redirect to the page of this site that the form names as ``next``, or to a view."""
    page = request.POST.get("next", "")
    # From the root on: any other word would be the name of a view, or of a neighbour.
    ours = page.startswith("/") and url_has_allowed_host_and_scheme(page, None)
    return HttpResponseRedirect(page if ours else resolve_url(otherwise))
