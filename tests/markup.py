"""What does a page say, whatever way its template is broken into lines?"""

from __future__ import annotations


def one_line(html: str) -> str:
    """Return it with every run of whitespace as one blank, as a browser shows it."""
    return " ".join(html.split())
