from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from django.template import Engine
from django.test import SimpleTestCase

from monitor.lean_templates import Loader

SOURCE = "<p>\n  one\n  {{ word }}\n</p>\n"


class LeanTemplatesTestCase(SimpleTestCase):
    def load(self, name: str) -> str:
        with TemporaryDirectory() as folder:
            Path(folder, name).write_text(SOURCE, encoding="utf-8")
            loader = Loader(Engine(), dirs=[folder])
            return loader.get_contents(next(iter(loader.get_template_sources(name))))

    def test_a_page_comes_without_the_indentation_of_its_source(self) -> None:
        self.assertEqual(self.load("page.html"), "<p>\none\n{{ word }}\n</p>\n")

    def test_plain_text_keeps_its_blanks(self) -> None:
        self.assertEqual(self.load("message.txt"), SOURCE)
