"""What every POST shares: who asks, and how a refusal is told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest

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
