"""Bring the state folder up to date: keys, database, static files, the first admin.

    python -m scripts.prepare [--admin]

Safe to run at any time and by two at once; does only what is not yet done, and looks first where
that is cheap.
"""

from __future__ import annotations

import argparse
import fcntl
import getpass
import hashlib
import io
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.console import SetupError, complain, give_up, say, timed
from scripts.processes import ROOT, home
from scripts.state_folder import prepare_folder

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def prepare(*, admin: bool) -> None:
    """Do everything that has to be done before the first process starts."""
    with _prepared():
        _collect_static(home(os.environ))
        if admin:
            _create_admin()


def prepare_for_commands() -> None:
    """Do what a command needs, and set up Django for it."""
    with _prepared():
        pass


@contextmanager
def _prepared() -> Iterator[None]:
    """Have the folder, its database and its keys ready, and no other at work on them."""
    folder = home(os.environ)
    prepare_folder(folder)
    with (folder / "run" / "prepare.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _start_django()
        _refuse_odd_settings()
        _migrate()
        _create_backup_key()
        yield


def _start_django() -> None:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "monitor.settings")
    django.setup()


def _refuse_odd_settings() -> None:
    """Commands and processes skip Django's checks: this one runs all of them."""
    from backups.executor.setting_checks import check_stalling_stages

    for error in check_stalling_stages():
        raise SetupError(error.msg, hint=error.hint or "")


def _migrate() -> None:
    from django.db import OperationalError

    try:
        if not _unapplied():
            return
        plan = _migration_plan()
    except OperationalError as exc:
        raise SetupError(
            f"the database does not answer: {str(exc).strip()}",
            hint="Check DATABASE_URL and that its server runs.",
        ) from exc
    if plan:
        from django.core.management import call_command

        with timed(f"bringing the database up to date ({len(plan)} migrations)"):
            call_command("migrate", interactive=False, verbosity=0)


def _unapplied() -> set[tuple[str, str]]:
    """Return the migrations on the disk that the database does not know of.

    Reads their names alone: loading them all takes as long as a small command.
    """
    from django.apps import apps
    from django.db import connection
    from django.db.migrations.recorder import MigrationRecorder

    folders = {config.label: Path(config.path) / "migrations" for config in apps.get_app_configs()}
    there = {
        (label, path.stem)
        for label, folder in folders.items()
        for path in folder.glob("*.py")
        if path.stem != "__init__"
    }
    return there - set(MigrationRecorder(connection).applied_migrations())


def _migration_plan() -> Sequence[object]:
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    return executor.migration_plan(executor.loader.graph.leaf_nodes())


def _create_backup_key() -> None:
    from django.conf import settings

    if settings.BACKUP_KEY_TEXT or settings.BACKUP_KEY_FILE.exists():
        return
    if _sealed_copies():
        complain(
            f"no backup key: {settings.BACKUP_KEY_FILE} is missing, and stored backups need it",
            "Restore that file; only if it is lost, run ./mooring manage createbackupkey for new "
            "backups.",
        )
        return
    from django.core.management import call_command

    output = io.StringIO()
    call_command("createbackupkey", if_missing=True, stdout=output)


def _sealed_copies() -> bool:
    """Whether stored copies are encrypted: a new key would hide that theirs is missing."""
    from backups.models import BackupCopy
    from backups.states import CopyStatus

    stored = BackupCopy.objects.filter(status=CopyStatus.STORED)
    return stored.exclude(key_id="").exists()


def _collect_static(folder: Path) -> None:
    from django.core.management import call_command

    mark, wanted = folder / "run" / "static.sha256", _static_fingerprint()
    if mark.exists() and mark.read_text(encoding="utf-8") == wanted:
        return
    with timed("collecting static files"):
        call_command("collectstatic", interactive=False, clear=True, verbosity=0)
    mark.write_text(wanted, encoding="utf-8")


def _static_fingerprint() -> str:
    """Change whenever a static file of ours or the version of a library does."""
    fingerprint = hashlib.sha256((ROOT / "requirements.txt").read_bytes())
    for path in sorted((ROOT / "static").rglob("*")):
        if path.is_file():
            fingerprint.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return fingerprint.hexdigest()


def _create_admin() -> None:
    from django.contrib.auth import get_user_model

    users = get_user_model()
    if users.objects.filter(is_superuser=True, is_active=True).exists():
        return
    name, password = _admin_login()
    _refuse_weak(users(username=name), password)
    users.objects.create_superuser(username=name, password=password)
    say(f"admin user {name} created")


def _admin_login() -> tuple[str, str]:
    name = os.environ.get("MOORING_ADMIN_USER", "")
    password = os.environ.get("MOORING_ADMIN_PASSWORD", "")
    if name and password:
        return name, password
    if not sys.stdin.isatty():
        raise SetupError(
            "there is no admin user yet, and no terminal to ask for one",
            hint="Set MOORING_ADMIN_USER and MOORING_ADMIN_PASSWORD for this first run.",
        )
    say("the first run: who is the admin?")
    name = name or input("user name: ").strip()
    password = password or getpass.getpass("password: ")
    if not name:
        raise SetupError("an admin needs a name")
    return name, password


def _refuse_weak(user: User, password: str) -> None:
    from django.contrib.auth.password_validation import validate_password
    from django.core.exceptions import ValidationError

    try:
        validate_password(password, user)
    except ValidationError as exc:
        raise SetupError(
            f"the admin's password is refused: {' '.join(exc.messages)}",
            hint="Choose another one.",
        ) from exc


def main() -> None:
    parser = argparse.ArgumentParser(description="Bring the state folder up to date.")
    parser.add_argument("--admin", action="store_true", help="see to it that there is an admin")
    asked = parser.parse_args()
    try:
        prepare(admin=asked.admin)
    except SetupError as exc:
        give_up(str(exc), exc.hint)


if __name__ == "__main__":
    main()
