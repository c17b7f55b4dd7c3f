"""Which options and clean-up does a server need to start on restored files?

The tool writes the instance's own settings beside its copy, in ``backup-my.cnf``: a server with
another page size, or with other system tablespaces, refuses the files. A table with a DATA
DIRECTORY is copied into its schema's folder like all others, together with the link to its
original place: a server that finds both opens neither, or worse, the original.
"""

from __future__ import annotations

import configparser
from pathlib import Path

from backups.exceptions import EngineError

SETTINGS_FILE = "backup-my.cnf"
# These shape the files. Paths are left out: everything is restored to one folder.
NEEDED = ("innodb_page_size", "innodb_data_file_path", "innodb_undo_tablespaces")


def server_options(folder: Path) -> dict[str, str]:
    """Return the options for a server on ``folder``, named as on its command line."""
    parser = configparser.ConfigParser(interpolation=None, strict=False, allow_no_value=True)
    try:
        parser.read_string((folder / SETTINGS_FILE).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, configparser.Error) as exc:
        raise EngineError(f"{folder / SETTINGS_FILE} cannot be read: {exc}") from None
    options = dict(parser["mysqld"]) if parser.has_section("mysqld") else {}
    return {name.replace("_", "-"): value for name in NEEDED if (value := options.get(name))}


def removal_of_links(folder: str) -> str:
    """Return the command that does the same, for a manual prepare of a raw copy."""
    return f"find {folder} -mindepth 2 -maxdepth 2 -name '*.isl' -delete"


def remove_links(folder: Path) -> int:
    """Delete the links that lead out of a restored folder; return how many.

    All of them: the copy of a table created during the backup has another suffix until prepare
    renames it, and without a copy the link would lead to the original.
    """
    links = list(folder.glob("*/*.isl"))
    for link in links:
        link.unlink()
    return len(links)
