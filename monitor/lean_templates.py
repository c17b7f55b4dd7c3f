"""How do templates that are indented for their readers become pages without the indentation?

Up to a tenth of a page would be blanks in front of lines, sent again with every refresh. They go
when a template is loaded, which is once per process. Line breaks stay: they separate words.
"""

from __future__ import annotations

import re

from django.template import Origin
from django.template.loaders import filesystem

INDENTATION = re.compile(r"^[ \t]+", re.MULTILINE)


class Loader(filesystem.Loader):
    """Load our own templates; what is sent as plain text keeps its blanks."""

    def get_contents(self, origin: Origin) -> str:
        contents = super().get_contents(origin)
        return INDENTATION.sub("", contents) if origin.name.endswith(".html") else contents
