"""Where are the plugins of the installed MariaDB, which its service's package brings?"""

from __future__ import annotations

import os
from pathlib import Path

from tests.live.mysql import ROOT


class PluginsMissing(RuntimeError):
    """No plugins to test with."""


def plugin_folder() -> Path:
    """Return where the plugins were unpacked."""
    default = ROOT / "var" / "mariadb-plugins"
    folder = Path(os.environ.get("MOORING_TEST_MARIADB_PLUGINS") or default)
    if not (folder / "ha_rocksdb.so").exists():
        raise PluginsMissing(f"none in {folder}: run scripts/mariadb_plugins.sh {folder}")
    return folder
