"""How is a notification rendered as text and as HTML?"""

from __future__ import annotations

from django.template.loader import render_to_string

from alerts.delivery.channels.base import Content


def build_text(content: Content) -> str:
    """Return the notification as plain text."""
    return render_to_string("alerts/message.txt", dict(content)).strip() + "\n"


def build_html(content: Content) -> str:
    """Return the notification as HTML for a mail client."""
    return render_to_string("alerts/message.html", dict(content))
