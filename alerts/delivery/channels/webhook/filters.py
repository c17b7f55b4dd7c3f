"""What a template for a webhook's body can do beyond Django's own filters."""

from __future__ import annotations

import json

from django import template
from django.utils.safestring import SafeString, mark_safe

register = template.Library()


@register.filter("json")
def quote_json(value: object) -> SafeString:
    """Write a value as JSON, so that no quote or line break in it breaks the body."""
    # Safe: it goes into a request's body, never into a page.
    return mark_safe(json.dumps(value, ensure_ascii=False))  # noqa: S308  # nosec B308 B703
