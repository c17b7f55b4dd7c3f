"""Who acts while a request is answered?"""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from backups.activity import WEB, Actor, acting_as
from monitor.addresses import client_address


class ActingMiddleware:
    """Lets whatever is changed during a request be recorded as its user's doing."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        def actor() -> Actor:
            # Asked for when something is recorded: a page that changes nothing costs nothing.
            return Actor(request.user.get_username() or "nobody", WEB, client_address(request))

        with acting_as(actor):
            return self._get_response(request)
