"""A MySQL without the clone plugin: a backup installs it where it is allowed to, and only then."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from backups.models import Instance, Job
from tests.commands import run_command
from tests.live.clone_jobs import USER, add_instance, make_main, take
from tests.live.mysql import PrivateMysql

pytestmark = [pytest.mark.live, pytest.mark.django_db(transaction=True)]

PLUGINS = "SELECT PLUGIN_STATUS FROM information_schema.PLUGINS WHERE PLUGIN_NAME = 'clone'"
GRANT = "GRANT INSERT ON mysql.plugin TO bk@'127.0.0.1'"


@pytest.fixture
def donor(tmp_path: Path) -> Iterator[PrivateMysql]:
    with PrivateMysql(tmp_path / "donor") as server:
        server.execute(*USER[1:])
        yield server


def test_a_backup_installs_the_plugin_when_it_is_allowed_to_and_may(
    donor: PrivateMysql, tmp_path: Path, settings: Settings
) -> None:
    make_main(tmp_path, settings)
    instance = add_instance(donor)
    assert take().exit_code == 3
    Instance.objects.update(allow_plugin_install=True)

    refused = take()
    assert refused.exit_code == 3
    assert "INSERT ON mysql.plugin TO `bk`@`127.0.0.1`" in refused.json()["hint"]
    donor.execute(GRANT)
    doctor = run_command("doctor", instance.name, "--json")
    assert doctor.exit_code == 0
    checks = {check["name"]: check for check in doctor.json()["checks"]}
    assert checks["clone plugin"]["found"] == "it is not installed; a backup installs it first"
    assert donor.execute(PLUGINS) == []

    taken = take()
    assert taken.exit_code == 0, taken.stdout
    assert donor.execute(PLUGINS) == [("ACTIVE",)]
    lines = Job.objects.latest("id").log_lines.values_list("text", flat=True)
    assert "ran on the instance: INSTALL PLUGIN clone SONAME 'mysql_clone.so';" in lines


def test_a_backup_that_is_refused_installs_nothing(
    donor: PrivateMysql, tmp_path: Path, settings: Settings
) -> None:
    donor.execute(GRANT, "REVOKE BACKUP_ADMIN ON *.* FROM bk@'127.0.0.1'")
    make_main(tmp_path, settings)
    add_instance(donor, "--allow-plugin-install")
    assert take().exit_code == 3
    assert donor.execute(PLUGINS) == []
