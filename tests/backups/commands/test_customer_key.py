"""Is the key of SSE-C kept encrypted, rotated with the others, and never exchanged?"""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from pytest_django import Settings

from backups.access import store_of
from backups.admin.repository import RepositoryForm
from backups.exceptions import BadInput
from backups.models import Repository
from tests.backups.repositories.object_server import KEY_ID, SECRET, moto_url, new_place
from tests.commands import Ended, run_command

pytestmark = pytest.mark.django_db
CUSTOMER_KEY = base64.b64encode(bytes(range(32))).decode()
OTHER_KEY = base64.b64encode(bytes(32)).decode()


@pytest.fixture
def added(tmp_path: Path, settings: Settings) -> Ended:
    settings.OUTBOUND_NETWORKS = ["127.0.0.0/8"]
    for name, text in (("secret", SECRET), ("customer", CUSTOMER_KEY)):
        (tmp_path / name).write_text(text)
    place = new_place()
    return run_command(
        "addrepository", "offsite", "--path", place.address, "--endpoint", place.endpoint,
        "--access-key-id", KEY_ID, "--secret-key-file", str(tmp_path / "secret"),
        "--server-encryption", "sse-c", "--customer-key-file", str(tmp_path / "customer"), "--json",
    )  # fmt: skip


def test_it_is_kept_encrypted_and_rotated(added: Ended, key_file: Path) -> None:
    assert added.exit_code == 0
    row = Repository.objects.get()
    before = row.customer_key_token
    assert CUSTOMER_KEY not in before
    assert row.customer_key() == CUSTOMER_KEY
    assert store_of(row).identity().uuid == str(row.uuid)
    run_command("rotatekeys")
    row.refresh_from_db()
    assert row.customer_key_token != before
    assert row.customer_key() == CUSTOMER_KEY


def test_another_key_is_refused_with_the_reason(added: Ended) -> None:
    row = Repository.objects.get()
    row.set_customer_key(CUSTOMER_KEY)
    with pytest.raises(BadInput, match="what is stored is encrypted with it") as raised:
        row.set_customer_key(OTHER_KEY)
    assert "Make another repository" in raised.value.hint


def form_of(row: Repository, **changed: str) -> RepositoryForm:
    sent = {"name": row.name, "path": row.path, "endpoint": row.endpoint, "access_key_id": KEY_ID}
    sent |= {"keep_least": "3", "keep_proven": "1", "keep_chains": "0", "credentials": "stored"}
    sent |= {f"keep_{name}": "0" for name in ("hourly", "daily", "weekly", "monthly", "yearly")}
    return RepositoryForm({**sent, "server_encryption": "sse-c", **changed}, instance=row)


@pytest.mark.parametrize(
    ("changed", "field", "problem"),
    [
        ({"server_encryption": "AES256"}, "server_encryption", "for the whole life"),
        ({"new_customer_key": OTHER_KEY}, "new_customer_key", "cannot be changed"),
        ({"endpoint": "http://127.0.0.1:1"}, "new_customer_key", "enter the key again"),
    ],
)
def test_the_form_refuses_what_makes_backups_unreadable(
    added: Ended, changed: dict[str, str], field: str, problem: str
) -> None:
    form = form_of(Repository.objects.get(), **changed)
    assert problem in str(form.errors[field])


def test_the_form_takes_the_present_key(added: Ended) -> None:
    assert not form_of(Repository.objects.get(), new_customer_key=CUSTOMER_KEY).errors


def test_sse_c_is_not_begun_later(settings: Settings) -> None:
    settings.OUTBOUND_NETWORKS = ["127.0.0.0/8"]
    place = new_place()
    row = Repository(name="x", kind="s3", path=place.address, endpoint=moto_url())
    row.save()
    form = form_of(row, new_customer_key=CUSTOMER_KEY)
    assert "for the whole life" in str(form.errors["server_encryption"])
