"""Are objectives set by page, command and document, recorded, and shown beside what happened?"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now

from backups.models import (
    Activity,
    Evidence,
    Instance,
    InstanceGroup,
    ObjectiveDay,
    ObjectiveStanding,
    RecoveryObjective,
    Tag,
)
from backups.objectives.rows import judge_due
from monitor.configuration.apply import apply
from monitor.configuration.export import build_document
from tests import commands
from tests.monitor.rows import make_backup, make_instance, make_repository, make_user
from tests.monitor.test_drills import words

pytestmark = pytest.mark.django_db
M, H, D = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
ADD = "/settings/objectives/add/"


def run_command(name: str, *given: str) -> commands.Ended:
    return commands.run_command(name, *given, app="monitor")


@pytest.fixture
def orders() -> Instance:
    return make_instance("orders-1")


@pytest.fixture
def ada(client: Client) -> Client:
    client.force_login(make_user("ada", "admin"))
    Activity.objects.all().delete()
    return client


class TestPages:
    def test_one_is_added_changed_and_deleted_and_all_is_recorded(
        self, ada: Client, orders: Instance
    ) -> None:
        InstanceGroup.objects.create(name="shop")
        judge_due(now())
        ada.post(ADD, {"group": "shop", "rpo": "15m", "rto": ""})
        row = RecoveryObjective.objects.get()
        assert (row.scope, row.rpo, row.rto) == ("group shop", 15 * M, None)
        assert ObjectiveStanding.objects.get().next_check_at <= now()
        ada.post(f"/settings/objective/{row.pk}/", {"group": "shop", "rpo": "", "rto": "4h"})
        row.refresh_from_db()
        assert (row.rpo, row.rto) == (None, 4 * H)
        assert "group shop" in words(ada, "setting-objectives")
        ada.post(f"/settings/objective/{row.pk}/delete/")
        assert not RecoveryObjective.objects.exists()
        verbs = Activity.objects.order_by("id").values_list("verb", flat=True)
        assert list(verbs) == ["added", "changed", "deleted"]

    @pytest.mark.parametrize(
        ("typed", "fault"),
        [
            ({}, "Set an RPO, an RTO or both."),
            ({"rpo": "soon"}, "This is not a length of time."),
            ({"rpo": "0s"}, "Must be between 1 second and 100 years."),
            ({"rpo": "1h", "group": "shop", "tag": "gold"}, "at most one of group, tag"),
            ({"rpo": "1h", "instance_names": "orders-1"}, "already exists"),
            ({"rpo": "1h", "instance_names": "nobody"}, "Unknown instance: nobody."),
        ],
    )
    def test_what_is_wrong_is_shown_and_not_saved(
        self, ada: Client, orders: Instance, typed: dict[str, str], fault: str
    ) -> None:
        InstanceGroup.objects.create(name="shop")
        Tag.objects.create(name="gold")
        RecoveryObjective.objects.create(instance=orders, rto=H)
        response = ada.post(ADD, typed)
        assert response.status_code == 422 and fault in response.content.decode()
        assert RecoveryObjective.objects.count() == 1

    def test_the_page_of_an_instance_has_them_beside_what_was_measured(
        self, ada: Client, orders: Instance
    ) -> None:
        assert "none set" in words(ada, "instance-detail", "orders-1")
        copy = make_backup(orders, make_repository())
        for seconds in (30, 40):
            Evidence.objects.create(
                copy=copy, operation="restore_test", passed=True,
                recovery_time=timedelta(seconds=seconds),
            )  # fmt: skip
        RecoveryObjective.objects.create(instance=orders, rpo=H, rto=M)
        yesterday = now().date() - D
        ObjectiveDay.objects.create(instance=orders, day=yesterday, worst_age=2 * H)
        text = words(ada, "instance-detail", "orders-1")
        for part in (
            "missed", "RPO 1 h 00 min: recoverable to", "RTO set for orders-1",
            "RTO 1 min 00 s: unknown: never measured: extract, prepare, start",
            "Recovery time, measured", "at most 40 s; RTO 1 min 00 s.",
            "What could be lost, worst of each day", "RPO 1 h 00 min.",
        ):  # fmt: skip
            assert part in text, part


class TestCommands:
    def test_they_are_set_inherited_and_removed(self, orders: Instance) -> None:
        assert run_command("setobjective", "--all", "--rpo", "1d", "--rto", "4h").exit_code == 0
        ended = run_command("setobjective", "--instance", "orders-1", "--rpo", "15m", "--json")
        assert ended.json() == {"scope": "orders-1", "rpo": 900.0, "rto": None}
        found = run_command("showobjectives", "orders-1", "--json").json()
        assert (found["rpo"], found["rpo_scope"]) == (900.0, "orders-1")
        assert (found["rto"], found["rto_scope"]) == (14_400.0, "all instances")
        assert found["level"] == "missed" and "nothing can be restored" in found["reasons"][0]
        assert "inherited" in run_command("showobjectives").stdout
        run_command("setobjective", "--instance", "orders-1", "--rpo", "none")
        run_command("setobjective", "--all", "--remove")
        assert not RecoveryObjective.objects.exists()
        assert list(Activity.objects.values_list("verb", flat=True)) == [
            "deleted", "deleted", "added", "added",
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("given", "fault"),
        [
            (("--all",), "give --rpo, --rto or both"),
            (("--all", "--remove", "--rpo", "1h"), "give --rpo, --rto or both"),
            (("--all", "--remove"), "no objective of all instances is set"),
            (("--tag", "gold", "--rpo", "1h"), "no tag is named gold"),
            (("--all", "--rpo", "soon"), "--rpo: 'soon' is not a length of time"),
        ],
    )
    def test_nonsense_is_refused(self, given: tuple[str, ...], fault: str) -> None:
        ended = run_command("setobjective", *given, "--json")
        assert ended.exit_code == 2 and fault in ended.json()["error"]


def test_a_document_has_them_and_applies_them(orders: Instance, tmp_path: Path) -> None:
    orders.tags.add(Tag.objects.create(name="gold"))
    RecoveryObjective.objects.create(rpo=D)
    RecoveryObjective.objects.create(tag=Tag.objects.get(), rto=H)
    document = build_document()
    assert document["objectives"] == [{"rpo": "1d"}, {"tag": "gold", "rto": "1h"}]
    assert apply(document, dry_run=False) == []
    document["objectives"] = [{"rpo": "2d"}]
    changes = apply(document, dry_run=False, prune=True)
    assert [(change.name, change.verb) for change in changes] == [
        ("all instances", "change"), ("tag gold", "remove"),
    ]  # fmt: skip
    assert RecoveryObjective.objects.get().rpo == 2 * D


def test_the_form_is_for_admins(client: Client, orders: Instance) -> None:
    client.force_login(make_user("olga", "operator"))
    assert client.get(reverse("setting-objectives")).status_code == 403
