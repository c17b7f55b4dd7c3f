"""Where does the script of the charts come from? From the installed plotly package."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.contrib.staticfiles.finders import BaseFinder
from django.core.files.storage import FileSystemStorage

SCRIPT = "plotly.min.js"


class PlotlyFinder(BaseFinder):
    """Serve plotly.min.js of the package as ``plotly/plotly.min.js``, and nothing else."""

    def __init__(self, app_names: object = None, *args: Any, **kwargs: Any) -> None:
        # Found without importing plotly: collecting files does not need a library of figures.
        spec = find_spec("plotly")
        folders = spec.submodule_search_locations if spec else None
        location = Path(folders[0]) / "package_data" if folders else Path("/nonexistent")
        self.storage = FileSystemStorage(location)
        # Read by Django: the folder the files get below STATIC_ROOT.
        self.storage.prefix = "plotly"  # type: ignore[attr-defined]

    # Any: the flag of Django 5.2 has two names, and the answer two shapes.
    def find(self, path: str, find_all: bool = False, **kwargs: Any) -> Any:
        if path != f"plotly/{SCRIPT}" or not self.storage.exists(SCRIPT):
            return []
        script = self.storage.path(SCRIPT)
        return [script] if find_all or kwargs.get("all") else script

    def list(self, ignore_patterns: Iterable[str] | None) -> Iterator[tuple[str, Any]]:
        if self.storage.exists(SCRIPT):
            yield SCRIPT, self.storage
