"""Does a container of Azure take a backup, give it back and let it go, as a folder does?"""

from __future__ import annotations

from pathlib import Path

import pytest
from django.utils.timezone import now
from pytest_django import Settings

from backups.catalog.condition import check_copies, check_repositories
from backups.jobs.request import create_copy_job
from backups.models import Instance, Repository
from backups.repositories.objects.azure.place import AzurePlace
from backups.states import JobStatus, Operation
from monitor.wording.restore_by_hand import steps_by_hand
from tests.backups.fake_engine import FILES, FakeEngine
from tests.backups.repositories.azure_server import ACCOUNT_KEY, azure_container, new_azure_place
from tests.backups.taking import purge, restore, run_here, take_backup
from tests.commands import run_command

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def place(key_file: Path, settings: Settings) -> AzurePlace:
    settings.OUTBOUND_NETWORKS = ["127.0.0.0/8"]
    return new_azure_place("fleet")


def added(place: AzurePlace, secret: Path) -> Repository:
    secret.write_text(f"{ACCOUNT_KEY}\n")
    words = ["--path", f"{place.address}/", "--endpoint", place.endpoint, "--storage-class", "Cool"]
    ended = run_command("addrepository", "offsite", *words, "--secret-key-file", str(secret))
    assert ended.exit_code == 0, ended.stderr
    return Repository.objects.get()


def test_a_backup_is_taken_restored_and_purged(
    place: AzurePlace, orders: Instance, engine: FakeEngine, tmp_path: Path
) -> None:
    repository = added(place, tmp_path / "secret")
    assert (repository.kind, repository.path) == ("azure", place.address)
    assert ACCOUNT_KEY not in repository.secret_key_token
    copy = take_backup(orders, repository).copies.get()
    assert sorted(azure_container(place.bucket).blobs) == [
        f"fleet/{copy.path}/manifest.json.zst",
        f"fleet/{copy.path}/packs/000001.pack",
        "fleet/mooring.json",
    ]
    assert (check_repositories(now()), check_copies(now())) == (0, 0)
    verified = run_here(create_copy_job(Operation.VERIFY, copy, wake=False))
    assert verified.status == JobStatus.SUCCEEDED
    assert restore(copy, tmp_path / "restored").status == JobStatus.SUCCEEDED
    for name, content in FILES.items():
        assert (tmp_path / "restored" / name).read_bytes() == content
    assert steps_by_hand(copy)[0].command.startswith(
        f"azcopy copy '{place.url}/{place.bucket}/fleet/*' /path/to/fetched/repository "
    )
    assert purge(copy, force=True).status == JobStatus.SUCCEEDED
    assert list(azure_container(place.bucket).blobs) == ["fleet/mooring.json"]


def test_a_key_that_is_none_adds_nothing(place: AzurePlace) -> None:
    words = ["--path", place.address, "--endpoint", place.endpoint]
    ended = run_command("addrepository", "offsite", *words)
    assert (ended.exit_code, Repository.objects.exists()) == (2, False)
    assert "no secret is stored for the repository" in ended.stderr
    ended = run_command("addrepository", "offsite", *words, "--region", "eu", "--kms-key", "k")
    assert "Only s3://… has it" in ended.stderr
    assert azure_container(place.bucket).blobs == {}
