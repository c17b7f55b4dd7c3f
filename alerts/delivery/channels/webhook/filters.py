"""Which filters does the template of a webhook body have besides those of Django?"""

from __future__ import annotations

import json

from django import template
from django.utils.safestring import SafeString, mark_safe

register = template.Library()


@register.filter("json")
def quote_json(value: object) -> SafeString:
    """Return a value as JSON, quoted and escaped."""
    # Safe: it is written to the body of a request, never to a page.
    return mark_safe(json.dumps(value, ensure_ascii=False))  # noqa: S308  # nosec B308 B703
