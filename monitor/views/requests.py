"""What do POST views share? The user, messages for refusals, and redirects back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponseRedirect
from django.shortcuts import resolve_url
from django.utils.http import url_has_allowed_host_and_scheme

from backups.exceptions import MooringError


def requesting_user(request: HttpRequest) -> User:
    """Return the user; only for views that require a role."""
    user = request.user
    assert isinstance(user, User)
    return user


@contextmanager
def refusals_shown(request: HttpRequest) -> Iterator[None]:
    """Show a refusal as a message on the next page, with its hint."""
    try:
        yield
    except MooringError as exc:
        text = str(exc)
        messages.error(request, f"{text[:1].upper()}{text[1:]}. {exc.hint}".rstrip())


def redirect_back(request: HttpRequest, otherwise: str) -> HttpResponseRedirect:
    """Redirect to the page of this site given as ``next``, or else to a view."""
    page = request.POST.get("next", "")
    # Absolute paths only: anything else could be the name of a view, or a relative address.
    ours = page.startswith("/") and url_has_allowed_host_and_scheme(page, None)
    return HttpResponseRedirect(page if ours else resolve_url(otherwise))
