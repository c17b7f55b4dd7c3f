"""Small parts of pages: badges, icons, and the notice about unencrypted repositories."""

from __future__ import annotations

from django import template
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

from monitor.access.roles import Role, has_role
from monitor.selectors.repositories import list_unencrypted_names
from monitor.wording.tones import tone_of

register = template.Library()


@register.simple_tag
def badge(status: str, word: str = "") -> SafeString:
    """Render a status: a word, a shape and a colour, in this order of importance."""
    return format_html(
        '<span class="badge status-{}" data-tone="{}">{}</span>',
        status,
        tone_of(status),
        word or status.replace("_", " "),
    )


@register.filter
def tone(status: str) -> str:
    """Return whether a status is good or bad, for ``data-tone``."""
    return tone_of(status)


@register.simple_tag
def icon(name: str) -> SafeString:
    """Render an icon; the text beside it has the meaning."""
    return format_html(
        '<svg class="icon" aria-hidden="true"><use href="{}#{}"/></svg>', static("icons.svg"), name
    )


@register.simple_tag
def truncated(text: str, length: int = 40) -> SafeString:
    """Shorten a long name to one line; the full name is in the tooltip."""
    if len(text) <= length:
        return format_html("{}", text)
    return format_html('<span class="truncated" title="{}">{}</span>', text, text)


@register.inclusion_tag("monitor/partials/unencrypted.html")
def unencrypted_notice() -> dict[str, list[str]]:
    """List the repositories with unencrypted backups."""
    return {"names": list_unencrypted_names()}


@register.filter
def release(version: str) -> str:
    """Return the release of a server version: 10.11.14."""
    return version.partition("-")[0]


@register.filter
def may(user: AbstractBaseUser | AnonymousUser, role_name: str) -> bool:
    """Whether the user has ``role_name`` or a higher role."""
    return has_role(user, Role[role_name.upper()])
