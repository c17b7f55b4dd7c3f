"""Which theme, density and time zone does this user prefer?

Stored in cookies, so that the first response is already rendered accordingly. Cookies are not
trusted: an unknown value counts as the default.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone

# The values of each switch, the default first.
SWITCHES: Mapping[str, tuple[str, ...]] = {
    "theme": ("system", "light", "dark"),
    "density": ("comfortable", "compact"),
}
ZONE_COOKIE = "zone"
UTC = ZoneInfo("UTC")
YEAR_SECONDS = 31_536_000


@dataclass(frozen=True, slots=True)
class Preferences:
    """The choices of one user, or the defaults."""

    theme: str
    density: str
    zone: ZoneInfo


def read_preferences(cookies: Mapping[str, str]) -> Preferences:
    theme, density = (_word(name, cookies.get(name, "")) for name in SWITCHES)
    return Preferences(theme, density, zone_named(cookies.get(ZONE_COOKIE, "")))


def zone_named(name: str) -> ZoneInfo:
    """Return the time zone a browser named; UTC if it is unknown."""
    return ZoneInfo(name) if name in _zone_names() else UTC


def remember(response: HttpResponse, name: str, word: str) -> None:
    """Store the choice of a user; an unknown value becomes the default."""
    response.set_cookie(
        name,
        _word(name, word),
        max_age=YEAR_SECONDS,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


class ZoneMiddleware:
    """Render every page in the time zone of its user."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with timezone.override(read_preferences(request.COOKIES).zone):
            return self.get_response(request)


def preferences(request: HttpRequest) -> dict[str, Preferences]:
    """Provide the preferences of the user to templates (a context processor)."""
    return {"preferences": read_preferences(request.COOKIES)}


def _word(name: str, word: str) -> str:
    words = SWITCHES[name]
    return word if word in words else words[0]


@lru_cache(maxsize=1)
def _zone_names() -> frozenset[str]:
    # Reads the whole zoneinfo folder: once.
    return frozenset(available_timezones())
