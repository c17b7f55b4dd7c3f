"""Who may do what? Viewers read, operators run jobs, admins configure.

The required role is stored on the view itself, so that a test can find views without one.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from functools import wraps
from typing import TypeVar, cast

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.cache import add_never_cache_headers
from django_htmx.http import HttpResponseClientRefresh

View = TypeVar("View", bound=Callable[..., HttpResponseBase])


class Role(enum.IntEnum):
    """Ordered: each includes the permissions of the ones before."""

    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3

    @property
    def group_name(self) -> str:
        return self.name.lower()


def role_of(user: AbstractBaseUser | AnonymousUser) -> Role | None:
    """Return the highest role of a user; anyone who can log in is at least a viewer."""
    if not isinstance(user, User) or not user.is_active:
        return None
    if user.is_superuser:
        return Role.ADMIN
    # The user object lives as long as one request: its groups are queried once.
    known: Role | None = getattr(user, "known_role", None)
    if known is None:
        names = set(user.groups.values_list("name", flat=True))
        known = max((role for role in Role if role.group_name in names), default=Role.VIEWER)
        user.known_role = known  # type: ignore[attr-defined]
    return known


def has_role(user: AbstractBaseUser | AnonymousUser, role: Role) -> bool:
    held = role_of(user)
    return held is not None and held >= role


def needs(role: Role) -> Callable[[View], View]:
    """Restrict a view to users with ``role`` or a higher one."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, **kwargs: str | int) -> HttpResponseBase:
            if role_of(request.user) is None:
                return _require_login(request)
            if not has_role(request.user, role):
                raise PermissionDenied(f"the role {role.group_name} is required")
            response = view(request, **kwargs)
            # Pages must not stay in a cache after the user has logged out.
            add_never_cache_headers(response)
            return response

        guarded.rule = role  # type: ignore[attr-defined]
        return cast(View, guarded)

    return decorate


def public(view: View) -> View:
    """Mark a view as usable without a login."""
    view.rule = None  # type: ignore[attr-defined]
    return view


def _require_login(request: HttpRequest) -> HttpResponse:
    if "HX-Request" in request.headers:
        # A redirect would be followed, and the login page inserted into a live region.
        return HttpResponseClientRefresh()
    return redirect_to_login(request.get_full_path())
