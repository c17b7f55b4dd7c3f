"""An admin looks at a changed copy on its page, and accepts what was shown there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from backups.models import Activity, BackupCopy, Instance
from backups.repositories.layout import manifest_name
from monitor.views.changed_copies import MOST_BYTES
from tests.backups.catalog.test_accept import again, copy
from tests.backups.catalog.test_exchanged import put_another, put_older_attempt
from tests.backups.conftest import make_repository
from tests.backups.fake_engine import FakeEngine
from tests.backups.taking import take_backup
from tests.monitor.rows import make_user

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["copy"]


@pytest.fixture
def ada() -> Client:
    client = Client()
    client.force_login(make_user("ada", "admin"))
    return client


def address(page: str, copy: BackupCopy) -> str:
    return reverse(page, args=[copy.backup.label, copy.pk])


def text_of(client: Client, copy: BackupCopy) -> str:
    answer = client.get(address("copy-changed", copy))
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def test_only_admins_are_led_there(copy: BackupCopy, ada: Client) -> None:
    BackupCopy.objects.update(fault="changed", fault_detail="its digest is another")
    page = reverse("backup-detail", args=[copy.backup.label])
    olga = Client()
    olga.force_login(make_user("olga", "operator"))
    led = [address("copy-changed", copy) in who.get(page).content.decode() for who in (ada, olga)]
    assert led == [True, False]
    for page in ("copy-changed", "copy-accept"):
        assert olga.get(address(page, copy)).status_code in {403, 405}
        assert olga.post(address(page, copy)).status_code in {403, 405}


def test_what_was_shown_is_accepted_and_recorded(copy: BackupCopy, ada: Client) -> None:
    put_older_attempt(copy)
    old, label = copy.manifest_digest, copy.backup.label
    text = text_of(ada, copy)
    new = text.partition('name="digest" value="')[2].partition('"')[0]
    assert f"{old}</td>" in text
    for given in (
        {"digest": new},
        {"digest": new, "confirm_name": "x"},
        {"digest": old, "confirm_name": label},
    ):
        ada.post(address("copy-accept", copy), given)
        assert again(copy).manifest_digest == old, given
    done = ada.post(
        address("copy-accept", copy), {"digest": new, "confirm_name": label}, follow=True
    )
    assert b"Accepted, and unproven" in done.content
    assert again(copy).manifest_digest == new
    row = Activity.objects.get(verb="accepted")
    assert (row.actor, row.details) == ("ada", {"old_digest": old, "new_digest": new})


def test_another_backup_in_its_place_shows_why_and_no_button(copy: BackupCopy, ada: Client) -> None:
    put_another(copy)
    text = text_of(ada, copy)
    assert "cannot be accepted" in text
    assert address("copy-accept", copy) not in text


def test_a_large_manifest_without_a_seal_is_left_to_the_command(
    orders: Instance, key_file: Path, engine: FakeEngine, tmp_path: Path, ada: Client
) -> None:
    plain = make_repository("plain", tmp_path / "plain", encrypted=False)
    copy = take_backup(orders, plain).copies.get()
    os.truncate(tmp_path / "plain" / manifest_name(copy.path), MOST_BYTES + 1)
    text = text_of(ada, copy)
    assert "no seal: it is not read here" in text
    assert f"acceptcopy {copy.backup.label} --repository plain" in text
