"""Where is the program of MariaDB that reads binary logs?"""

from __future__ import annotations

import shutil

from bench.measure import BenchError


def mariadb_binlog() -> str:
    """Return it: Debian has it in a package of its own, without a server."""
    found = shutil.which("mariadb-binlog")
    if found is None:
        raise BenchError("mariadb-binlog is not installed: it comes with mariadb-client")
    return found
