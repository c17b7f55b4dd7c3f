"""May a MySQL be cloned: one thing wrong at a time, and what is said about it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backups.checks import Check, Verdict, failed
from backups.instances.chosen_tables import ServerTable
from backups.instances.clone_facts import CloneFacts, CloneSettings, ForeignTable
from backups.instances.facts import InnodbSizes, ServerFacts
from backups.instances.grants import Grants
from backups.logins.session import NO_LIMIT
from backups.preflight.checks import decide_checks
from backups.preflight.survey import RepositorySurvey, Survey
from tests.backups.preflight.test_tables_check import CHOSEN

GIB, MIB = 1 << 30, 1 << 20
CLONE = CloneFacts("ACTIVE", 64 * MIB, running_clones=0, foreign_tables=())
SIZES = InnodbSizes(3 * GIB, 200, 0, GIB)
FACTS = ServerFacts(
    flavour="mysql",
    version="9.7.4",
    version_comment="(Debian)",
    grants=Grants("bk@%", frozenset({"BACKUP_ADMIN", "PROCESS", "REFERENCES"})),
    log_bin=True,
    binlog_format="ROW",
    innodb=SIZES,
    clone=CLONE,
    lock_holders=(),
    session_settings={
        "sql_select_limit": str(NO_LIMIT),
        "sql_big_selects": "1",
        "max_join_size": str(NO_LIMIT),
    },
)
MAIN = RepositorySurvey("main", encrypted=True, uuid="u1", found_uuid="u1", free_bytes=100 * GIB)
SOUND = Survey("10.0.0.7:3306", "clone", None, FACTS, repositories=(MAIN,), key_id="k1")
TABLES = tuple(ForeignTable("shop", f"t{number}", "MyISAM", MIB) for number in range(7))


def checked(survey: Survey) -> dict[str, Check]:
    return {check.name: check for check in decide_checks(survey)}


def with_facts(**changes: object) -> Survey:
    return replace(SOUND, facts=replace(FACTS, **changes))  # type: ignore[arg-type]


def with_clone(**changes: object) -> Survey:
    return with_facts(clone=replace(CLONE, **changes))  # type: ignore[arg-type]


def test_nothing_stands_in_the_way_and_no_host_is_looked_at() -> None:
    checks = checked(SOUND)
    assert {check.verdict for check in checks.values()} == {Verdict.OK}
    assert list(checks) == [
        "reachable",
        "server",
        "version",
        "privileges",
        "clone plugin",
        "max_allowed_packet",
        "redo log",
        "other clones",
        "size",
        "other engines",
        "server encryption",
        "session settings",
        "binlog",
        "locks",
        "backup key",
        "repository main",
        "room in main",
    ]
    assert checks["size"].found == "3.0 GiB in 200 tablespaces to copy"
    assert SOUND.raw_bytes == 4 * GIB
    assert SOUND.file_count == 200


@pytest.mark.parametrize(
    ("survey", "name", "verdict", "words", "hint"),
    [
        (
            with_facts(grants=Grants("bk@10.0.0.%")),
            "privileges",
            Verdict.FAILED,
            "missing BACKUP_ADMIN (takes a clone)",
            "Run GRANT BACKUP_ADMIN ON *.* TO `bk`@`10.0.0.%`;",
        ),
        (with_facts(version="8.0.16"), "version", Verdict.FAILED, "is too old", "Upgrade"),
        (
            with_clone(plugin=""),
            "clone plugin",
            Verdict.FAILED,
            "it is not installed",
            "INSTALL PLUGIN clone SONAME 'mysql_clone.so';",
        ),
        (
            with_clone(plugin="DISABLED"),
            "clone plugin",
            Verdict.FAILED,
            "it is DISABLED",
            "Run",
        ),
        (
            with_clone(max_allowed_packet=2 * MIB - 1),
            "max_allowed_packet",
            Verdict.FAILED,
            "a clone needs 2.0 MiB",
            "SET PERSIST max_allowed_packet = 2097152;",
        ),
        (
            with_clone(max_allowed_packet=2 * MIB),
            "max_allowed_packet",
            Verdict.OK,
            "2.0 MiB",
            "",
        ),
        (with_clone(max_allowed_packet=None), "max_allowed_packet", Verdict.UNKNOWN, "", ""),
        (with_clone(redo_enabled=False), "redo log", Verdict.FAILED, "disabled", "ENABLE"),
        (with_clone(running_clones=1), "other clones", Verdict.OK, "client has disconnected", ""),
        (
            with_clone(running_clones=2),
            "other clones",
            Verdict.FAILED,
            "2 connections",
            "Wait",
        ),
        (
            with_clone(running_clones=None),
            "other clones",
            Verdict.UNKNOWN,
            "PROCESS is missing",
            "GRANT PROCESS ON *.* TO `bk`@`%`;",
        ),
        (
            with_clone(foreign_tables=TABLES[:2]),
            "other engines",
            Verdict.WARNING,
            "2.0 MiB: shop.t0 (MyISAM, 1.0 MiB), shop.t1",
            "ENGINE=InnoDB",
        ),
        (
            with_clone(foreign_tables=TABLES),
            "other engines",
            Verdict.WARNING,
            "2 more",
            "Save",
        ),
        (
            with_clone(foreign_tables=None),
            "other engines",
            Verdict.UNKNOWN,
            "REFERENCES is missing",
            "GRANT REFERENCES",
        ),
        (
            with_clone(foreign_tables=(ForeignTable("s", "a`b", "MyISAM", 1),)),
            "other engines",
            Verdict.FAILED,
            "s.a`b (MyISAM) has a backtick in its name",
            "Rename the table",
        ),
        (
            with_facts(innodb=None, grants=Grants("bk@%", frozenset({"BACKUP_ADMIN"}))),
            "size",
            Verdict.UNKNOWN,
            "PROCESS is missing",
            "GRANT PROCESS",
        ),
        # A server may be started without the table.
        (
            with_facts(innodb=None),
            "size",
            Verdict.UNKNOWN,
            "the server does not list its tablespaces",
            "plugin INNODB_TABLESPACES",
        ),
        (
            with_facts(log_bin=False),
            "binlog",
            Verdict.WARNING,
            "not a later point in time",
            "log_bin",
        ),
    ],
)
def test_one_thing_wrong(
    survey: Survey, name: str, verdict: Verdict, words: str, hint: str
) -> None:
    check = checked(survey)[name]
    assert check.verdict is verdict
    assert words in check.found
    assert hint in check.hint


INSTALLS = CloneSettings(install_plugin=True)
SAVES = CloneSettings(save_foreign_tables=True)
READER = Grants("bk@%", frozenset({"BACKUP_ADMIN", "PROCESS", "SELECT", "LOCK TABLES"}))
INSTALLER = Grants("bk@%", scoped=frozenset({("INSERT", "mysql.plugin")}))


@pytest.mark.parametrize(
    ("grants", "plugin", "verdict", "hint"),
    [
        (Grants("bk@%"), "", Verdict.FAILED, "Run GRANT INSERT ON mysql.plugin TO `bk`@`%`;"),
        (INSTALLER, "", Verdict.WARNING, ""),
        (Grants("bk@%", frozenset({"INSERT"})), "", Verdict.WARNING, ""),
        # There and switched off: INSTALL PLUGIN would not help.
        (INSTALLER, "DISABLED", Verdict.FAILED, "Run as an administrator"),
        (INSTALLER, "ACTIVE", Verdict.OK, ""),
    ],
)
def test_a_plugin_that_may_be_installed(
    grants: Grants, plugin: str, verdict: Verdict, hint: str
) -> None:
    facts = replace(FACTS, grants=grants, clone=replace(CLONE, plugin=plugin))
    check = checked(replace(SOUND, facts=facts, clone_options=INSTALLS))["clone plugin"]
    assert check.verdict is verdict
    assert hint in check.hint


def test_tables_of_other_engines_are_saved_by_whoever_may_read_them() -> None:
    with_tables = replace(CLONE, foreign_tables=TABLES[:1])
    survey = replace(with_facts(clone=with_tables), clone_options=SAVES)
    refused = checked(survey)["other engines"]
    assert refused.verdict is Verdict.FAILED
    assert refused.hint == "Run GRANT SELECT, LOCK TABLES ON *.* TO `bk`@`%`;"
    survey = replace(with_facts(grants=READER, clone=with_tables), clone_options=SAVES)
    saved = checked(survey)["other engines"]
    assert saved.verdict is Verdict.OK
    assert "saved by SELECT, each locked while it is read, 1.0 MiB: shop.t0" in saved.found
    # What is read counts where room is estimated.
    assert survey.raw_bytes == 4 * GIB + MIB


def test_only_chosen_tables_of_other_engines_are_saved() -> None:
    tables = (ServerTable("shop", "t0", "", "MyISAM"), ServerTable("shop", "a", "shop/a", "InnoDB"))
    facts = replace(FACTS, grants=READER, clone=replace(CLONE, foreign_tables=TABLES))
    survey = replace(SOUND, facts=facts, clone_options=SAVES)
    survey = replace(survey, chosen=replace(CHOSEN, tables=tables, sent_bytes=9 * GIB))
    found = checked(survey)
    assert found["other engines"].found.endswith("1.0 MiB: shop.t0 (MyISAM, 1.0 MiB)")
    assert "the donor sends all of its 9.0 GiB" in found["tables"].found
    # The files of the tables, of the system and of the redo log, and the saved table.
    assert survey.raw_bytes == 2048 + 4096 + GIB + MIB
    without = replace(survey, chosen=replace(CHOSEN, tables=tables[1:]))
    assert checked(without)["other engines"].found == "every chosen table is InnoDB"


def test_an_account_that_may_not_see_all_names_chooses_none() -> None:
    facts = replace(FACTS, grants=Grants("bk@%", frozenset({"BACKUP_ADMIN", "PROCESS"})))
    check = checked(replace(SOUND, facts=facts, chosen=CHOSEN))["tables"]
    assert check.verdict is Verdict.FAILED
    assert check.hint == "Run GRANT REFERENCES ON *.* TO `bk`@`%`;"


def test_mariadb_is_no_donor() -> None:
    checks = checked(with_facts(flavour="mariadb", version="10.11.19", clone=None))
    assert [check.name for check in failed(checks.values())] == ["version"]
    assert "clone plugin" not in checks
