"""A copy is prepared for tests that look at what comes out, by the product's own option file."""

from __future__ import annotations

from pathlib import Path

from backups.engines.mariadb_backup import check_prepare, prepare_argv
from backups.engines.mariadb_backup.command import SETTINGS
from backups.engines.mariadb_backup.restored import prepare_settings
from backups.runners import LocalRunner
from backups.runners.local import complete


def prepare_folder(folder: Path) -> None:
    settings = {SETTINGS: prepare_settings(folder)}
    argv = prepare_argv(folder)
    with LocalRunner().start(argv, secret_files=settings) as command:
        done = complete(command, argv[0], 120)
    check_prepare(done.exit_code, done.stderr)
