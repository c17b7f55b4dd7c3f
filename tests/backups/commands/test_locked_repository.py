"""Is a repository registered with locks only if its bucket and its key can lock?"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils.timezone import now
from pytest_django import Settings

from backups.access import locks_of
from backups.admin.repository import RepositoryForm
from backups.models import Repository
from tests.backups.repositories.bucket_rows import make_bucket
from tests.backups.repositories.object_server import (
    KEY_ID,
    SECRET,
    moto_url,
    new_locked_place,
    new_place,
)
from tests.commands import Ended, run_command

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def secret(tmp_path: Path, settings: Settings) -> Path:
    settings.OUTBOUND_NETWORKS = ["127.0.0.0/8"]
    (tmp_path / "secret").write_text(SECRET)
    return tmp_path / "secret"


def add(secret: Path, address: str, *more: str) -> Ended:
    keys = ["--access-key-id", KEY_ID, "--secret-key-file", str(secret)]
    words = ["--path", address, "--endpoint", moto_url(), *keys, *more]
    return run_command("addrepository", "offsite", *words, "--json")


def test_it_is_added_with_its_identity_locked(secret: Path) -> None:
    ended = add(secret, new_locked_place().address, "--lock-mode", "governance", "--lock-days", "9")
    assert (ended.exit_code, ended.json()["lock_mode"]) == (0, "governance")
    locks = locks_of(Repository.objects.get())
    assert locks is not None
    held = locks.read("mooring.json")
    assert held.until is not None
    assert round((held.until - now()) / DAY) == 9


def test_a_bucket_without_locks_is_refused(secret: Path) -> None:
    ended = add(secret, new_place().address, "--lock-mode", "governance", "--lock-days", "9")
    assert ended.exit_code == 2
    assert "keeps no versions of its objects" in ended.stdout
    assert not Repository.objects.exists()


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--lock-mode", "compliance"], "Enter for how many days"),
        (["--lock-days", "9"], "Choose a mode"),
        (["--lock-mode", "compliance", "--lock-days", "0"], "greater than or equal to 1"),
        (["--lock-mode", "compliance", "--lock-days", "3661"], "less than or equal to 3660"),
    ],
)
def test_half_a_lock_or_one_for_ever_is_refused(
    secret: Path, words: list[str], problem: str
) -> None:
    ended = add(secret, new_locked_place().address, *words)
    assert ended.exit_code == 2
    assert problem in ended.stdout


def test_a_folder_has_no_locks(tmp_path: Path) -> None:
    words = ["--lock-mode", "compliance", "--lock-days", "9"]
    ended = run_command("addrepository", "main", "--path", str(tmp_path / "r"), *words)
    assert "Only objects in a bucket" in ended.stderr


def test_the_form_checks_the_bucket_when_a_lock_is_chosen(settings: Settings) -> None:
    row = make_bucket(moto_url(), settings)
    sent = {"name": row.name, "path": row.path, "endpoint": row.endpoint, "access_key_id": KEY_ID}
    sent |= {"keep_least": "3", "keep_proven": "1", "keep_chains": "0", "credentials": "stored"}
    sent |= {f"keep_{name}": "0" for name in ("hourly", "daily", "weekly", "monthly", "yearly")}
    form = RepositoryForm({**sent, "lock_mode": "compliance", "lock_days": "9"}, instance=row)
    assert "keeps no versions" in str(form.errors)
