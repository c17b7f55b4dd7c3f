"""How is a backup restored without Mooring: which commands, in which order?"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from backups.catalog.facts import details_of
from backups.engines.mariadb_backup.restored import PREPARE_FILE, commands_before_prepare
from backups.models import Backup, BackupCopy, Repository
from backups.models.repository import RepositoryKind
from backups.programs.compatibility import CLONE, MYSQL, parse_version
from backups.programs.server_program import replication_off
from monitor.wording.fetch_by_hand import fetch_command

TARGET = "/path/to/empty/folder"
KEY_FILE = "/path/to/backup.key"
FETCHED = "/path/to/fetched/repository"
RUN_FOLDER = "/path/to/run/folder"


@dataclass(frozen=True, slots=True)
class ManualStep:
    """What to do, the command for it, and what to check afterwards."""

    title: str
    command: str
    note: str = ""


def steps_by_hand(copy: BackupCopy, needed: Sequence[str] = ()) -> Sequence[ManualStep]:
    """Return the steps from the stored bytes to a running server.

    ``needed`` are the labels of the backups that the copy needs.
    """
    engine_steps = _of_clone if copy.backup.engine == CLONE else _of_mariadb_backup
    fetch = [] if _is_here(copy.repository) else [_fetch(copy, needed)]
    return [*fetch, _extract(copy, needed), *engine_steps(copy.backup)]


def _is_here(repository: Repository) -> bool:
    """Whether the extractor reads it where it is."""
    return repository.is_folder or repository.read_only


def _fetch(copy: BackupCopy, needed: Sequence[str]) -> ManualStep:
    """Return the step for what is not a folder of this host: the extractor reads files."""
    repository, (folder, _, label) = copy.repository, copy.path.rpartition("/")
    folders = [f"{folder}/{one}" for one in (label, *needed)]
    if repository.kind == RepositoryKind.SFTP:
        return _fetch_by_sftp(copy, folders)
    if repository.is_sequential:
        return ManualStep(
            "Fetch the pieces",
            f"FETCH_COMMAND PIECE | python3 scripts/unwrap_piece.py {FETCHED}",
            f"FETCH_COMMAND is that of the medium of {repository.path}. Once for each of the "
            f"{copy.pack_count + 1} pieces whose names contain {label.replace('@', '+40')}.",
        )
    note = "Any other tool for this object store will do: the files keep the names of the objects."
    return ManualStep("Fetch the objects", fetch_command(copy.repository, folders, FETCHED), note)


def _fetch_by_sftp(copy: BackupCopy, folders: Sequence[str]) -> ManualStep:
    place = copy.repository.sftp_place(copy.repository.path)
    host = f"[{place.host}]" if ":" in place.host else place.host
    inside = f"{FETCHED}/{copy.path.rpartition('/')[0]}"
    commands = [["mkdir", "-p", inside]]
    for name, target in [("mooring.json", FETCHED), *((folder, inside) for folder in folders)]:
        source = f"{place.user}@{host}:{place.path(name)}"
        commands.append(["sftp", "-r", "-P", str(place.port), source, target])
    note = "Any other way to copy the files will do: they keep their names."
    return ManualStep("Fetch the files", " &&\n".join(map(shlex.join, commands)), note)


def _extract(copy: BackupCopy, needed: Sequence[str]) -> ManualStep:
    source = copy.repository.path if _is_here(copy.repository) else FETCHED
    words = ["python3", "scripts/extract_backup.py", source]
    words += ["--label", copy.backup.label]
    if copy.key_id:
        words += ["--key-file", KEY_FILE]
    note = "Exit code 0 means that every byte was checked."
    if needed:
        note += (
            f" The repository must hold {', '.join(needed)} as well. With the library blake3, "
            "each block is compared with its hash."
        )
    if copy.key_id:
        note += f" The key file must hold the key {copy.key_id}."
    return ManualStep("Extract", shlex.join([*words, "--to", TARGET]), note)


def _of_mariadb_backup(backup: Backup) -> list[ManualStep]:
    series = _series(backup)
    remove, keep = commands_before_prepare(TARGET)
    prepare = f"mariadb-backup --defaults-file={PREPARE_FILE} --prepare"
    return [
        ManualStep(
            "Remove links to the original files, and option files",
            remove,
            "Each link points to the original file of a table with a DATA DIRECTORY. The target "
            "has its own copy; through the link, the server would open the original.",
        ),
        ManualStep(
            "Keep the options of the file format",
            keep,
            "Do not give the backup's backup-my.cnf to a program: anybody with write access to "
            "the repository could name a library in it, and the program would load it.",
        ),
        ManualStep(
            "Prepare",
            f"{prepare} --target-dir={TARGET}",
            f"With mariadb-backup of MariaDB {series}. The last line must read “completed OK!”.",
        ),
        _change_owner(),
        ManualStep(
            "Start an isolated server",
            _server_command("mariadbd", "--skip-slave-start"),
            f"With mariadbd of MariaDB {series}. Options of the file format are in {PREPARE_FILE}.",
        ),
        _check_contents("mariadb"),
    ]


def _of_clone(backup: Backup) -> list[ManualStep]:
    steps = [_change_owner()]
    if keyring := details_of(backup).keyring_file:
        steps.append(
            ManualStep(
                "Provide the keyring",
                f"ls {TARGET}/{keyring}",
                "The files are encrypted: configure the keyring before the first start, as "
                "described in docs/restore-by-hand.md. A failed start may damage the copy.",
            )
        )
    steps.append(
        ManualStep(
            "Start an isolated server",
            _server_command(
                "mysqld",
                "--mysqlx=OFF",
                "--secure-file-priv=NULL",
                "--skip-log-bin",
                f"--{replication_off(MYSQL, parse_version(backup.server_version))}",
            ),
            f"With mysqld of MySQL {_series(backup)}: it runs crash recovery at its first start.",
        )
    )
    if backup.choice:
        steps.append(_drop_unchosen())
    return [*steps, _check_contents("mysql")]


def _drop_unchosen() -> ManualStep:
    return ManualStep(
        "Drop the tables that are not in the partial backup",
        f"less {TARGET}/mysql/mooring-donor.json",
        "If the server did not start, because its log names missing tablespaces (MY-012179): start "
        "it once with --innodb-force-recovery=2, shut it down, and start it again without. Then "
        "run DROP TABLE for each table that the patterns under “tables” do not match, with "
        "foreign_key_checks off, as docs/restore-by-hand.md says.",
    )


def _change_owner() -> ManualStep:
    return ManualStep(
        "Change the owner",
        f'OWNER=mysql; RUN={RUN_FOLDER}; mkdir -p -m 700 "$RUN" && '
        f'chmod 700 "$RUN" && chown -R "$OWNER": {TARGET} "$RUN"',
        "OWNER is the user that runs the server. RUN holds its socket and log: it must be closed "
        "to others, because the server accepts anybody who reaches the socket.",
    )


def _server_command(program: str, *options: str) -> str:
    """Return how docs/restore-by-hand.md starts a server: reachable by its owner only."""
    words = [
        f'{program} --no-defaults --user="$OWNER" --datadir={TARGET} --skip-networking',
        '--socket="$RUN/server.sock" --pid-file="$RUN/server.pid"',
        '--log-error="$RUN/server.log" --tmpdir="$RUN" --skip-grant-tables',
        *options,
        "--event-scheduler=DISABLED &",
    ]
    return " ".join(words)


def _check_contents(client: str) -> ManualStep:
    return ManualStep(
        "Check the contents",
        f'{client} --no-defaults --socket="$RUN/server.sock" -e "SHOW DATABASES"',
    )


def _series(backup: Backup) -> str:
    version = parse_version(backup.server_version)
    return f"{version.major}.{version.minor}" if version else "the release series it was taken with"
