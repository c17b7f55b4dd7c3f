"""Small parts that every page is made of: badges, and what it must not hide."""

from __future__ import annotations

from django import template
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.utils.html import format_html
from django.utils.safestring import SafeString

from monitor.roles import Role, has_role
from monitor.selectors.repositories import list_unencrypted_names

register = template.Library()


@register.simple_tag
def badge(status: str, word: str = "") -> SafeString:
    """Draw a status: a word, a shape and a colour, in this order of importance."""
    return format_html(
        '<span class="badge status-{}">{}</span>', status, word or status.replace("_", " ")
    )


@register.inclusion_tag("monitor/partials/unencrypted.html")
def unencrypted_notice() -> dict[str, list[str]]:
    """Name the repositories whose backups anyone can read."""
    return {"names": list_unencrypted_names()}


@register.filter
def release(version: str) -> str:
    """Write the part of a server's version that people compare: 10.11.14."""
    return version.partition("-")[0]


@register.filter
def may(user: AbstractBaseUser | AnonymousUser, role_name: str) -> bool:
    """Whether to draw what only ``role_name`` and above may use."""
    return has_role(user, Role[role_name.upper()])
