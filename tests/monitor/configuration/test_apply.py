from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.forms import ModelForm

from alerts.models import RuleSetting
from alerts.states import Severity
from backups.exceptions import BadInput
from backups.models import BackupSchedule, Instance, InstanceGroup, Repository, Tag
from monitor.configuration.apply import ConfigurationChange, apply, load_document
from monitor.configuration.export import build_document, dump
from monitor.configuration.sections import SECTIONS, Section
from monitor.forms.instance import InstanceSettingsForm
from monitor.forms.schedule import ScheduleForm
from monitor.forms.settings import GroupForm
from tests.commands import run_command

pytestmark = pytest.mark.django_db

FLEET = """
version: 1
groups:
- name: shop
  description: What sells
instances:
- name: orders-1
  host: 10.0.0.7
  site: north
  groups: [shop]
  tags: [prod, eu]
  password_file: orders.password
  pace_factor: 3
schedules:
- name: nightly
  cron: 30 1 * * *
  time_zone: Europe/Berlin
  window: 6h
  keep_for: 14d
  pace_factor: 2.5
  pace_bytes_per_s: 20971520
  pace_hours: 08:00-18:00 20M
  groups: [shop]
  repositories: [main]
rules:
- rule: lock_time
  severity: critical
  thresholds: {warning: 30}
- rule: lock_time
  group: shop
  enabled: false
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    Repository.objects.create(name="main", path=str(tmp_path))
    (tmp_path / "orders.password").write_text("s3cret\n")
    file = tmp_path / "fleet.yaml"
    file.write_text(FLEET)
    return file


# Any: how ``apply`` is called.
def applied(file: Path, **options: Any) -> list[ConfigurationChange]:
    return apply(load_document(file), folder=file.parent, **{"dry_run": False, **options})


def test_a_fleet_is_made_from_nothing_and_then_there_is_nothing_to_do(file: Path) -> None:
    assert [(change.verb, change.name) for change in applied(file)] == [
        ("add", "shop"),
        ("add", "orders-1"),
        ("add", "nightly"),
        ("add", "lock_time"),
        ("add", "lock_time for group shop"),
    ]
    orders, nightly = Instance.objects.get(), BackupSchedule.objects.get()
    assert orders.password() == "s3cret"
    assert {tag.name for tag in orders.tags.all()} == {"eu", "prod"}
    assert nightly.window == timedelta(hours=6)
    assert [repository.name for repository in nightly.repositories.all()] == ["main"]
    assert RuleSetting.objects.get(group=None).severity == Severity.CRITICAL
    assert applied(file) == []


def test_what_is_exported_makes_the_same_fleet_and_holds_no_secret(
    file: Path, tmp_path: Path
) -> None:
    applied(file)
    text = dump(build_document())
    assert "s3cret" not in text
    assert "password" not in text
    again = tmp_path / "again.yaml"
    again.write_text(text)
    assert applied(again) == []
    RuleSetting.objects.all().delete()
    BackupSchedule.objects.all().delete()
    Instance.objects.all().delete()
    InstanceGroup.objects.all().delete()
    assert len(applied(again)) == 5
    assert dump(build_document()) == text


FORMS: dict[str, type[ModelForm[Any]]] = {
    "groups": GroupForm,
    "instances": InstanceSettingsForm,
    "schedules": ScheduleForm,
}


@pytest.mark.parametrize("section", [each for each in SECTIONS if each.name in FORMS])
def test_the_document_has_every_setting_of_the_form(section: Section) -> None:
    fields = set(FORMS[section.name]._meta.fields or ())
    assert fields == {*section.key, *section.columns, *section.lists}


def test_a_dry_run_says_the_same_and_changes_nothing(file: Path) -> None:
    assert applied(file, dry_run=True) == applied(file, dry_run=True) != []
    assert not Instance.objects.exists()
    assert not Tag.objects.exists()


def test_a_change_names_the_columns(file: Path) -> None:
    applied(file)
    file.write_text(FLEET.replace("window: 6h", "window: 5h").replace("[prod, eu]", "[prod]"))
    tags, window = applied(file)
    assert tags.columns == (("tags", ["eu", "prod"], ["prod"]),)
    assert window.columns == (("window", "6h", "5h"),)


def test_what_a_named_row_does_not_say_goes_back_to_its_default(file: Path) -> None:
    applied(file)
    file.write_text(FLEET.replace("  window: 6h\n", ""))
    assert applied(file)[0].columns == (("window", "6h", "4h"),)


def test_what_is_not_named_stays_unless_pruned(file: Path) -> None:
    applied(file)
    file.write_text("version: 1\ninstances: []\nschedules: []\nrules: []\n")
    assert applied(file) == []
    assert [(change.verb, change.name) for change in applied(file, prune=True)] == [
        ("disable", "orders-1"),
        ("disable", "nightly"),
        ("remove", "lock_time"),
        ("remove", "lock_time for group shop"),
    ]
    assert not Instance.objects.get().enabled
    assert applied(file, prune=True) == []


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("version: 1", "version: 2", "not a configuration of version 1"),
        ("groups:\n", "grups:\n", "grups is not a section"),
        ("host:", "hots:", "instances: orders-1: hots is not a known column"),
        ("window: 6h", "window: long", "nightly: window: 'long' is not a length of time"),
        ("[main]", "[other]", "no repository is named other"),
        ("cron: 30 1 * * *", "retries: many", "retries: 'many' is not a whole number"),
        ("severity: critical", "severity: bad", "severity: 'bad' is not one of notice"),
        ("orders.password", "nowhere", "password file"),
        ("- name: orders-1", "- nam: orders-1", "instances: an entry has no name"),
        ("tags: [prod, eu]", "tags: [two words]", "Use letters"),
        ("version: 1", "version: [", "is not valid YAML"),
        ("window: 6h", "window: 9000000d", "window: '9000000d' is longer than 100 years"),
        ("host: 10.0.0.7", "engine: nonsense", "no engine is called 'nonsense'"),
        ("rule: lock_time\n  sev", "rule: no_such\n  sev", "no rule is named no_such"),
        ("{warning: 30}", "{factor: 1}", "lock_time has no threshold named factor"),
        ("{warning: 30}", "{warning: abc}", "warning: 'abc' must be a number"),
        ("{warning: 30}", "[1]", "thresholds must be an object"),
    ],
)
def test_a_mistake_is_named_and_nothing_is_done(file: Path, old: str, new: str, error: str) -> None:
    file.write_text(FLEET.replace(old, new))
    with pytest.raises(BadInput) as caught:
        applied(file)
    assert error in str(caught.value)
    assert not Instance.objects.exists()


def test_tags_may_be_anything_that_can_be_a_name(file: Path) -> None:
    file.write_text(FLEET.replace("tags: [prod, eu]", "tags: [1, a]"))
    applied(file)
    assert set(Tag.objects.values_list("name", flat=True)) == {"1", "a"}


def test_a_password_that_no_key_opens_is_set_again(file: Path) -> None:
    applied(file)
    Instance.objects.update(password_token="gone with its key")
    (change,) = applied(file)
    assert change.columns == (("password", "", "set"),)
    assert Instance.objects.get().password() == "s3cret"


@pytest.mark.parametrize(
    "line", ["host: 10.0.0.9", "port: 3307", "tls: 'off'", "runner: ssh", "ssh_host: 10.0.0.9"]
)
def test_a_stored_password_goes_to_no_other_address(file: Path, line: str) -> None:
    applied(file)
    moved = FLEET.replace("  host: 10.0.0.7\n", f"  {line}\n")
    file.write_text(moved.replace("  password_file: orders.password\n", ""))
    with pytest.raises(BadInput, match="password is not given again") as caught:
        applied(file)
    assert "password_file" in caught.value.hint
    assert Instance.objects.get().host == "10.0.0.7"
    file.write_text(moved)
    applied(file)
    assert Instance.objects.get().password() == "s3cret"


def test_an_empty_password_file_sets_nothing(file: Path) -> None:
    applied(file)
    (file.parent / "orders.password").write_text("\n")
    with pytest.raises(BadInput, match="is empty"):
        applied(file)
    assert Instance.objects.get().password() == "s3cret"


def test_an_entry_twice_is_a_mistake(file: Path) -> None:
    file.write_text(FLEET.replace("groups:\n", "groups:\n- name: shop\n", 1))
    with pytest.raises(BadInput, match="groups: shop appears twice"):
        applied(file)


def test_the_commands(file: Path) -> None:
    dry = run_command("applyconfig", str(file), "--dry-run", app="monitor")
    assert dry.exit_code == 0
    assert "add schedules: nightly" in dry.stdout
    assert "5 entries would change." in dry.stdout
    assert "s3cret" not in dry.stdout
    assert (
        len(run_command("applyconfig", str(file), "--json", app="monitor").json()["changes"]) == 5
    )
    assert "name: nightly" in run_command("exportconfig", app="monitor").stdout
    assert run_command("applyconfig", "/nowhere.yaml", app="monitor").exit_code == 2


def chained(*pairs: tuple[str, str]) -> dict[str, Any]:
    """A document of schedules; those without ``after`` have times of their own."""
    entries = [
        {"name": name, **({"after": after} if after else {"cron": "0 1 * * *"})}
        for name, after in pairs
    ]
    return {"version": 1, "schedules": entries}


def test_a_chain_is_applied_in_any_order_and_comes_back(db: None) -> None:
    apply(chained(("logs", "nightly"), ("nightly", "")), dry_run=False)
    assert BackupSchedule.objects.get(name="logs").after == BackupSchedule.objects.get(
        name="nightly"
    )
    written = {entry["name"]: entry for entry in build_document()["schedules"]}
    assert written["logs"] == {"name": "logs", "after": "nightly"}
    assert apply(build_document(), dry_run=True) == []
    # Turned round: first the one that is to have times again.
    apply(chained(("nightly", "logs"), ("logs", "")), dry_run=False)
    assert BackupSchedule.objects.get(name="logs").after is None


def test_a_circle_of_schedules_is_refused(db: None) -> None:
    with pytest.raises(BadInput, match="logs, nightly run after one another in a circle"):
        apply(chained(("logs", "nightly"), ("nightly", "logs")), dry_run=False)
    with pytest.raises(BadInput, match="no backup schedule is named nowhere"):
        apply(chained(("logs", "nowhere")), dry_run=False)
