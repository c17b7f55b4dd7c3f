"""How is a notification rendered as text and as HTML?"""

from __future__ import annotations

from collections.abc import Callable

from django.template.loader import render_to_string

from alerts.delivery.channels.base import Content


def build_text(content: Content) -> str:
    """Return the notification as plain text."""
    return render_to_string("alerts/message.txt", dict(content)).strip() + "\n"


def build_html(content: Content) -> str:
    """Return the notification as HTML for a mail client."""
    return render_to_string("alerts/message.html", dict(content))


def build_short_text(content: Content, limit: int, measure: Callable[[str], int] = len) -> str:
    """Return the notification as plain text of at most ``limit``: what does not fit is a link."""
    whole = build_text(content)
    if measure(whole) <= limit:
        return whole
    link = f"\nShortened. The rest: {content['url']}\n"
    # Whole alerts first; one that is too long by itself is cut.
    alerts = list(content["alerts"])
    for kept in range(len(alerts) - 1, 0, -1):
        text = build_text({**content, "alerts": alerts[:kept]})
        if measure(text + link) <= limit:
            return text + link
    return cut(build_text({**content, "alerts": alerts[:1]}), limit - measure(link), measure) + link


def cut(text: str, limit: int, measure: Callable[[str], int] = len) -> str:
    """Return the longest beginning of ``text`` of at most ``limit``, marked if it is shorter."""
    if measure(text) <= limit:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if measure(text[:middle] + "…") <= limit else (low, middle - 1)
    return f"{text[:low]}…" if low else ""
