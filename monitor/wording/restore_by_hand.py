"""How is a backup restored without Mooring: which commands, in which order? Pure."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from backups.engines.mariadb_backup.restored import PREPARE_FILE, commands_before_prepare
from backups.models import Backup, BackupCopy
from backups.programs.compatibility import CLONE, parse_version

TARGET = "/path/to/empty/folder"
KEY_FILE = "/path/to/backup.key"


@dataclass(frozen=True, slots=True)
class Step:
    """What to do, the command for it, and what to look at afterwards."""

    title: str
    command: str
    note: str = ""


def steps_by_hand(copy: BackupCopy) -> Sequence[Step]:
    """Return the steps from the stored bytes to a server that answers."""
    engine_steps = _of_clone if copy.backup.engine == CLONE else _of_mariadb_backup
    return [_extract(copy), *engine_steps(copy.backup)]


def _extract(copy: BackupCopy) -> Step:
    words = ["python3", "scripts/extract_backup.py", copy.repository.path]
    words += ["--label", copy.backup.label]
    if copy.key_id:
        words += ["--key-file", KEY_FILE]
    note = "Exit code 0 means that every byte was checked."
    if copy.key_id:
        note += f" The key file must hold the key {copy.key_id}."
    return Step("Extract", shlex.join([*words, "--to", TARGET]), note)


def _of_mariadb_backup(backup: Backup) -> list[Step]:
    series = _series(backup)
    remove, keep = commands_before_prepare(TARGET)
    prepare = f"mariadb-backup --defaults-file={PREPARE_FILE} --prepare"
    return [
        Step(
            "Remove links to the originals, and option files",
            remove,
            "Each link leads to where a table with a DATA DIRECTORY was; its copy is here already, "
            "and the original would be opened instead.",
        ),
        Step(
            "Keep the options that shape the files",
            keep,
            "Do not give a program the backup-my.cnf of a backup: whoever could write into the "
            "repository could name a library there, and it would be loaded.",
        ),
        Step(
            "Prepare",
            f"{prepare} --target-dir={TARGET}",
            f"With mariadb-backup of MariaDB {series}. The last line must say “completed OK!”.",
        ),
        _own(),
        Step(
            "Start it alone first",
            f"mariadbd --no-defaults --user=mysql --datadir={TARGET} --skip-networking "
            "--socket=/tmp/restored.sock --skip-grant-tables --skip-slave-start "
            "--event-scheduler=DISABLED",
            f"With mariadbd of MariaDB {series}. Options that shape files are in {PREPARE_FILE}.",
        ),
        _look("mariadb"),
    ]


def _of_clone(backup: Backup) -> list[Step]:
    steps = [_own()]
    if "keyring_file" in backup.facts:
        steps.append(
            Step(
                "Give the server its keyring",
                f"ls {TARGET}/{backup.facts['keyring_file']}",
                "The files are encrypted: follow the part on keyrings of docs/restore-by-hand.md "
                "before the first start. A failed start may spoil the copy.",
            )
        )
    steps.append(
        Step(
            "Start it alone first",
            f"mysqld --no-defaults --user=mysql --datadir={TARGET} --skip-networking "
            "--socket=/tmp/restored.sock --mysqlx=OFF --skip-replica-start "
            "--event-scheduler=DISABLED",
            f"With mysqld of MySQL {_series(backup)}: it recovers the files at its first start.",
        )
    )
    return [*steps, _look("mysql")]


def _own() -> Step:
    return Step("Hand over", f"chown -R mysql:mysql {TARGET}", "To the user the server runs as.")


def _look(client: str) -> Step:
    return Step("Look", f"{client} -S /tmp/restored.sock -e 'SHOW DATABASES'")


def _series(backup: Backup) -> str:
    version = parse_version(backup.server_version)
    return f"{version.major}.{version.minor}" if version else "the series it was taken with"
