"""A MySQL 5.7 for the tests that it is refused: the oldest server anybody may point us at."""

from __future__ import annotations

import os
from pathlib import Path

from tests.live.mysql import ROOT, MysqlMissing, PrivateMysql


def mysql57_folder() -> Path:
    """Return where an unpacked MySQL 5.7 is."""
    folder = Path(os.environ.get("MOORING_TEST_MYSQL57") or ROOT / "var" / "mysql57")
    if not (folder / "server" / "mysqld").exists():
        raise MysqlMissing(f"no MySQL 5.7 in {folder}: run scripts/mysql57.sh {folder}")
    return folder


class PrivateMysql57(PrivateMysql):
    """A running mysqld of that age."""

    def _argv(self) -> list[str]:
        home = mysql57_folder()
        options = {
            "basedir": str(home / "server"),
            "lc-messages-dir": str(home / "server" / "share" / "mysql"),
            "datadir": str(self.folder),
            "tmpdir": str(self.log_file.parent),
            "socket": str(self.log_file.parent / "s"),
            "pid-file": str(self.log_file.parent / "pid"),
            "log-error": str(self.log_file),
            "port": str(self.port),
            "bind-address": "127.0.0.1",
            "secure-file-priv": "",
            "innodb-log-file-size": "8M",
            **({"user": "root"} if os.geteuid() == 0 else {}),
        }
        words = [f"--{name}={value}" for name, value in options.items()]
        libraries = f"LD_LIBRARY_PATH={home / 'lib'}"
        return ["env", libraries, str(home / "server" / "mysqld"), "--no-defaults", *words]
