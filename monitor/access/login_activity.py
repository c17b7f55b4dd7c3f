"""Record logins, failed logins and lock-outs as activity, from signals of Django and axes."""

from __future__ import annotations

from typing import Any

from axes.signals import user_locked_out
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.http import HttpRequest
from django.utils.timezone import now

from backups.activity import WEB, Actor, record
from backups.models import Activity
from backups.models.activity import Verb
from monitor.access.addresses import client_address
from monitor.access.lockout import known_name

# Per user name, or for all unknown names, from one address within one cool-off time.
MOST_FAILURES = 20


def connect() -> None:
    """Connect the signals; called once, when the site starts."""
    user_logged_in.connect(_logged_in, dispatch_uid="activity")
    user_logged_out.connect(_logged_out, dispatch_uid="activity")
    user_login_failed.connect(_login_failed, dispatch_uid="activity")
    user_locked_out.connect(_locked_out, dispatch_uid="activity")


# Any: further arguments of the signal.


def _logged_in(request: HttpRequest, user: User, **_: Any) -> None:
    record(Verb.LOGGED_IN, actor=_visitor(user.get_username(), request))


def _logged_out(request: HttpRequest, user: User | None, **_: Any) -> None:
    if user is not None:
        record(Verb.LOGGED_OUT, actor=_visitor(user.get_username(), request))


def _login_failed(
    credentials: dict[str, str], request: HttpRequest | None = None, **_: Any
) -> None:
    if request is None:
        return
    visitor = _visitor(known_name(credentials.get("username")), request)
    if not _is_locked_out(visitor) and not _has_failed_often(visitor):
        record(Verb.LOGIN_FAILED, actor=visitor)


def _locked_out(request: HttpRequest, **_: Any) -> None:
    credentials = getattr(request, "axes_credentials", None) or {}
    visitor = _visitor(known_name(credentials.get("username")), request)
    # Once per lock-out: repeated attempts must not fill the disk.
    if not _is_locked_out(visitor):
        record(Verb.LOCKED_OUT, actor=visitor)


def _is_locked_out(visitor: Actor) -> bool:
    since = now() - settings.AXES_COOLOFF_TIME
    lock_outs = Activity.objects.filter(verb=Verb.LOCKED_OUT, actor=visitor.name, at__gt=since)
    last_login = Activity.objects.filter(verb=Verb.LOGGED_IN, actor=visitor.name)
    lock = lock_outs.filter(address=visitor.address).order_by("-id").first()
    return lock is not None and not last_login.filter(pk__gt=lock.pk).exists()


def _has_failed_often(visitor: Actor) -> bool:
    """Whether enough failures are recorded for this address already."""
    since = now() - settings.AXES_COOLOFF_TIME
    recorded = Activity.objects.filter(verb=Verb.LOGIN_FAILED, actor=visitor.name, at__gt=since)
    return recorded.filter(address=visitor.address).count() >= MOST_FAILURES


def _visitor(name: str, request: HttpRequest) -> Actor:
    return Actor(name, WEB, client_address(request))
