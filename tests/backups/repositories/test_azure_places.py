"""Which containers and endpoints of Azure are accepted, and from which row?"""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError

from backups.exceptions import BadInput
from backups.models import Repository
from backups.repositories.objects.azure.place import AzurePlace
from backups.repositories.objects.places import place_at, refuse_unusable

ADDRESS = "az://fleet01/backups/mysql/eu"


def test_an_address_names_account_container_and_prefix() -> None:
    place = place_at(f"{ADDRESS}/")
    assert place == AzurePlace("backups", "mysql/eu", account="fleet01")
    assert (place.address, place.key("x")) == (ADDRESS, "mysql/eu/x")
    assert place_at("az://fleet01/backups").key("x") == "x"
    assert place.server == ("fleet01.blob.core.windows.net", 443)


@pytest.mark.parametrize(
    "address",
    ["az://", "az://fleet01", "az://Fleet01/backups", "az://a/backups", "az://fleet01/b",
     "az://fleet01/$root", "az://fleet01/a--b", "az://fleet01/back_ups", "az://fleet01/backups/../x",
     "az://fleet01/backups/a//b", "azure://fleet01/backups"],
)  # fmt: skip
def test_an_address_that_cannot_be_is_refused(address: str) -> None:
    with pytest.raises(BadInput):
        place_at(address)


@pytest.mark.parametrize(
    ("endpoint", "in_host", "url"),
    [
        ("https://fleet01.blob.core.chinacloudapi.cn", False, None),
        (
            "https://blob.core.usgovcloudapi.net",
            True,
            "https://fleet01.blob.core.usgovcloudapi.net",
        ),
        ("http://127.0.0.1:10000", False, "http://127.0.0.1:10000/fleet01"),
    ],
)
def test_the_account_is_in_the_host_or_in_the_path(
    endpoint: str, in_host: bool, url: str | None
) -> None:
    place = AzurePlace("backups", "", endpoint, in_host, account="fleet01")
    refuse_unusable(place)
    assert place.url == (url or endpoint)


@pytest.mark.parametrize(
    "place",
    [
        AzurePlace("backups", storage_class="Archive", account="fleet01"),
        AzurePlace("backups", storage_class="archive", account="fleet01"),
        AzurePlace("backups", storage_class="a b", account="fleet01"),
        AzurePlace("backups", ca_file="ca.pem", account="fleet01"),
        AzurePlace("backups", "", "http://localhost:1", True, account="fleet01"),
    ],
)
def test_settings_that_no_backup_survives_are_refused(place: AzurePlace) -> None:
    with pytest.raises(BadInput):
        refuse_unusable(place)


def test_a_row_has_no_settings_of_another_store() -> None:
    row = Repository(name="offsite", kind="azure", path=ADDRESS, storage_class="Cool")
    row.clean()
    for name in ("region", "server_encryption", "kms_key", "access_key_id"):
        wrong = Repository(name="offsite", kind="azure", path=ADDRESS, **{name: "AES256"})
        with pytest.raises(ValidationError, match="Only s3://"):
            wrong.clean()
