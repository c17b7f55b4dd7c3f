"""Which sections does the site have? A section whose page does not exist is not shown."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.urls import NoReverseMatch, reverse

from monitor.access.roles import Role, has_role


@dataclass(frozen=True, slots=True)
class SiteSection:
    """One section of the site and the names of its pages."""

    word: str
    icon: str
    # The link leads to the first of these that exists.
    pages: tuple[str, ...]
    # Pages whose names start with one of these belong to the section.
    owns: tuple[str, ...]
    role: Role = Role.VIEWER


@dataclass(frozen=True, slots=True)
class Link:
    """A section as shown to one user on one page."""

    word: str
    icon: str
    address: str
    current: bool


PARTS = (
    SiteSection(
        "Fleet",
        "fleet",
        ("fleet",),
        ("fleet", "group", "instance", "job", "backup", "copy", "opening"),
    ),
    SiteSection("Schedules", "schedules", ("schedules",), ("schedule", "expiry")),
    SiteSection("Calendar", "calendar", ("calendar",), ("calendar", "occurrence")),
    SiteSection("Alerts", "alerts", ("alerts",), ("alert", "silence", "rule", "channel", "route")),
    SiteSection(
        "Restore", "restore", ("restore-wizard",), ("restore", "table-restore"), Role.OPERATOR
    ),
    SiteSection(
        "Repositories", "repositories", ("repositories",), ("repositor", "deletion", "approval")
    ),
    SiteSection("Activity", "activity", ("activity",), ("activity",)),
    SiteSection(
        "Settings", "settings", ("settings", "admin:index"), ("setting", "styleguide"), Role.ADMIN
    ),
)


def list_links(user: AbstractBaseUser | AnonymousUser, url_name: str) -> list[Link]:
    """Return the sections a user may open, with that of ``url_name`` marked as current."""
    allowed = [part for part in PARTS if has_role(user, part.role)]
    return [
        Link(part.word, part.icon, address, url_name.startswith(part.owns))
        for part in allowed
        if (address := _address(part.pages))
    ]


def _address(pages: tuple[str, ...]) -> str:
    for page in pages:
        try:
            return reverse(page)
        except NoReverseMatch:
            continue
    return ""
