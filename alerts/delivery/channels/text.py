"""What does a message say where only text can be shown?"""

from __future__ import annotations

from django.template.loader import render_to_string

from alerts.delivery.channels.base import Content


def build_text(content: Content) -> str:
    """Return the message as plain text."""
    return render_to_string("alerts/message.txt", dict(content)).strip() + "\n"


def build_html(content: Content) -> str:
    """Return the message as a page for a mail reader."""
    return render_to_string("alerts/message.html", dict(content))
