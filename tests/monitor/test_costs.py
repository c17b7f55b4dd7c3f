"""Do pages say what a copy, a restore and a repository cost, and unknown where it is?"""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now

from backups.models import Backup, BackupCopy, Job, JobUsage, Repository
from tests.markup import one_line
from tests.monitor.rows import make_backup, make_instance, make_repository, make_user

pytestmark = pytest.mark.django_db
PRICES = {
    "currency": "EUR",
    "price_storage": Decimal(2),
    "price_writes": Decimal(1),
    "price_reads": Decimal(1),
    "price_egress": Decimal(9),
}


@pytest.fixture
def addresses(client: Client) -> dict[str, str]:
    """The pages on which costs are, of a backup of 1 GiB in 4 packs."""
    client.force_login(make_user("victor", "operator"))
    copy = make_backup(make_instance("orders-1"), make_repository())
    return {
        "backup": reverse("backup-detail", args=[copy.backup.label]),
        "repository": reverse("repository-detail", args=[copy.repository.name]),
        "restore": f"{reverse('restore-wizard')}?copy={copy.pk}",
    }


def shown(client: Client, address: str) -> str:
    return one_line(client.get(address).content.decode())


def test_each_page_says_what_it_costs(client: Client, addresses: dict[str, str]) -> None:
    Repository.objects.update(**PRICES)
    # 128 parts and 5 objects: 138 writes and 10 reads.
    assert "2.00 EUR a month to store, 0.15 EUR for the requests" in shown(
        client, addresses["backup"]
    )
    assert "2.00 EUR a month" in shown(client, addresses["repository"])
    assert "which costs 9.14 EUR by the price list" in shown(client, addresses["restore"])


def test_what_was_counted_counts_instead_of_an_estimate(
    client: Client, addresses: dict[str, str]
) -> None:
    Repository.objects.update(**PRICES)
    assert "for the requests that wrote it, estimated" in shown(client, addresses["backup"])
    copy = BackupCopy.objects.get()
    job = Job.objects.create(
        operation="backup", instance=copy.backup.instance, status="succeeded", ended_at=now()
    )
    Backup.objects.update(made_by=job)
    JobUsage.objects.create(
        job=job, repository=copy.repository, counted_at=now(), puts=900, lists=100, gets=1500,
        heads=500, deletes=3, sent_bytes=1 << 30, received_bytes=1 << 30,
    )  # fmt: skip
    assert "3.00 EUR for the requests that wrote it, counted" in shown(client, addresses["backup"])
    page = shown(client, addresses["repository"])
    assert "12.00 EUR for 3,000 requests and 1.0 GiB received, counted in 1 job" in page
    page = shown(client, reverse("job-detail", args=[job.pk]))
    assert "900 writes, 1,500 reads, 500 looks, 100 lists, 3 deletions;" in page
    assert "cost 12.00 EUR" in page


def test_what_a_job_asked_that_left_the_copy_half_way_is_not_its_cost(
    client: Client, addresses: dict[str, str]
) -> None:
    Repository.objects.update(**PRICES)
    copy = BackupCopy.objects.get()
    job = Job.objects.create(
        operation="backup", instance=copy.backup.instance, status="succeeded", ended_at=now()
    )
    Backup.objects.update(made_by=job)
    usage = JobUsage.objects.create(
        job=job, repository=copy.repository, counted_at=now(), puts=9000,
        sent_bytes=copy.stored_bytes - 1,
    )  # fmt: skip
    # Made later, by a copy of its own.
    assert "0.15 EUR for the requests that wrote it, estimated" in shown(
        client, addresses["backup"]
    )
    JobUsage.objects.filter(pk=usage.pk).update(sent_bytes=copy.stored_bytes)
    assert "9.00 EUR for the requests that wrote it, counted" in shown(client, addresses["backup"])


def test_a_price_that_is_missing_makes_it_unknown(
    client: Client, addresses: dict[str, str]
) -> None:
    Repository.objects.update(**{**PRICES, "price_egress": None, "price_storage": None})
    assert "unknown a month to store, 0.15 EUR for" in shown(client, addresses["backup"])
    assert "costs unknown" in shown(client, addresses["restore"])


def test_of_a_folder_without_prices_nothing_is_said(
    client: Client, addresses: dict[str, str]
) -> None:
    for address in addresses.values():
        assert "EUR" not in shown(client, address)
        assert "Costs, estimated" not in shown(client, address)
