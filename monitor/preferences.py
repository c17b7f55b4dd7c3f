"""How does this reader want the pages: which theme, how dense, in which time zone?

Kept in cookies, so that the server draws the page right the first time and nothing flashes.
A cookie is a stranger's word: whatever is not known here is the default.
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

# Which words each switch may say, the default first.
SWITCHES: Mapping[str, tuple[str, ...]] = {
    "theme": ("system", "light", "dark"),
    "density": ("comfortable", "compact"),
}
ZONE_COOKIE = "zone"
UTC = ZoneInfo("UTC")
YEAR_SECONDS = 31_536_000


@dataclass(frozen=True, slots=True)
class Preferences:
    """What one reader chose, or the defaults."""

    theme: str
    density: str
    zone: ZoneInfo


def read_preferences(cookies: Mapping[str, str]) -> Preferences:
    theme, density = (_word(name, cookies.get(name, "")) for name in SWITCHES)
    return Preferences(theme, density, zone_named(cookies.get(ZONE_COOKIE, "")))


def zone_named(name: str) -> ZoneInfo:
    """Return the zone a browser named; UTC when nobody knows it."""
    return ZoneInfo(name) if name in _zone_names() else UTC


def remember(response: HttpResponse, name: str, word: str) -> None:
    """Keep what a reader chose; a word that is not of the switch is forgotten."""
    response.set_cookie(
        name,
        _word(name, word),
        max_age=YEAR_SECONDS,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


class ZoneMiddleware:
    """Draw every page in its reader's zone."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with timezone.override(read_preferences(request.COOKIES).zone):
            return self.get_response(request)


def preferences(request: HttpRequest) -> dict[str, Preferences]:
    """Give templates the reader's preferences (a context processor)."""
    return {"preferences": read_preferences(request.COOKIES)}


def _word(name: str, word: str) -> str:
    words = SWITCHES[name]
    return word if word in words else words[0]


@lru_cache(maxsize=1)
def _zone_names() -> frozenset[str]:
    # Reads the machine's whole zone folder: once.
    return frozenset(available_timezones())
