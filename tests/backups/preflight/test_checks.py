"""May a backup begin: one thing wrong at a time, and what is said about it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from backups.checks import Check, Verdict, failed
from backups.exceptions import Refused
from backups.instances.facts import InnodbSizes, ServerFacts
from backups.instances.grants import Grants
from backups.instances.lock_holders import LockHolder
from backups.logins.session import NO_LIMIT
from backups.models import Backup, Instance
from backups.preflight.checks import decide_checks, refuse_if_failed, remember
from backups.preflight.survey import Problem, RepositorySurvey, Survey, load_past_ratio
from backups.programs.compatibility import Version
from backups.programs.host import DataFiles, HostFacts
from backups.states import BackupKind

GIB = 1024**3
NOW = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
HOST = HostFacts("db-1", Version(10, 11, 19), files=DataFiles(4 * GIB, GIB, 212))
FACTS = ServerFacts(
    flavour="mariadb",
    version="10.11.19-MariaDB-log",
    version_comment="Debian 12",
    grants=Grants("bk@localhost", frozenset({"RELOAD", "PROCESS", "BINLOG MONITOR"})),
    hostname="db-1",
    datadir="/var/lib/mysql/",
    checkpoint_lsn=1000,
    log_bin=True,
    binlog_format="ROW",
    innodb=InnodbSizes(3 * GIB, 200, 0, GIB),
    longest_query=timedelta(0),
    lock_holders=(),
    session_settings={
        "sql_select_limit": str(NO_LIMIT),
        "sql_big_selects": "1",
        "max_join_size": str(NO_LIMIT),
    },
)
MAIN = RepositorySurvey("main", encrypted=True, uuid="u1", found_uuid="u1", free_bytes=100 * GIB)
SOUND = Survey(
    "10.0.0.7:3306",
    "mariadb_backup",
    HOST,
    FACTS,
    repositories=(MAIN,),
    key_id="k1",
    found_checkpoint=1000,
    lsn_after=2000,
)


def checked(survey: Survey) -> dict[str, Check]:
    return {check.name: check for check in decide_checks(survey)}


def with_facts(**changes: object) -> Survey:
    return replace(SOUND, facts=replace(FACTS, **changes))  # type: ignore[arg-type]


def with_host(**changes: object) -> Survey:
    return replace(SOUND, host=replace(HOST, **changes))  # type: ignore[arg-type]


def with_main(**changes: object) -> Survey:
    return replace(SOUND, repositories=(replace(MAIN, **changes),))  # type: ignore[arg-type]


def test_nothing_stands_in_the_way_of_a_sound_instance() -> None:
    checks = decide_checks(SOUND)
    assert {check.verdict for check in checks} == {Verdict.OK}
    assert [check.name for check in checks] == [
        "reachable",
        "server",
        "version",
        "privileges",
        "tool",
        "data folder",
        "one server",
        "session settings",
        "binlog",
        "locks",
        "running queries",
        "backup key",
        "repository main",
        "room in main",
    ]
    refuse_if_failed(checks)


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (1000, Verdict.OK),
        (2000, Verdict.OK),
        (999, Verdict.FAILED),
        (2001, Verdict.FAILED),
        (None, Verdict.FAILED),
    ],
)
def test_whose_files_the_tool_would_read(found: int | None, verdict: Verdict) -> None:
    assert checked(replace(SOUND, found_checkpoint=found))["one server"].verdict is verdict


UNREADABLE = replace(HOST.files or DataFiles(0, 0, 0), unreadable="/var/lib/mysql/shop")
ENCRYPTED = InnodbSizes(3 * GIB, 200, 2, GIB)


@pytest.mark.parametrize(
    ("survey", "name", "verdict", "words"),
    [
        (
            with_facts(flavour="mysql", version="9.7.4"),
            "version",
            Verdict.FAILED,
            "MySQL 9.7.4",
        ),
        (with_facts(flavour=""), "version", Verdict.FAILED, "neither MariaDB nor MySQL"),
        (
            with_facts(grants=Grants("bk@%", frozenset({"PROCESS", "BINLOG MONITOR"}))),
            "privileges",
            Verdict.FAILED,
            "missing RELOAD",
        ),
        (
            with_host(tool=None, tool_problem="mariadb-backup is not installed on this host"),
            "tool",
            Verdict.FAILED,
            "not installed",
        ),
        (with_host(tool=Version(10, 11, 18)), "tool", Verdict.FAILED, "10.11.18, older than"),
        (with_host(tool=Version(11, 4, 1)), "tool", Verdict.FAILED, "must be of one series"),
        (
            with_host(files=UNREADABLE),
            "data folder",
            Verdict.FAILED,
            "/var/lib/mysql/shop cannot",
        ),
        (
            with_host(files=None, files_problem="No such file or directory"),
            "data folder",
            Verdict.FAILED,
            "/var/lib/mysql/ cannot be read: No such file",
        ),
        (
            with_host(hostname="worker-1"),
            "data folder",
            Verdict.WARNING,
            "reports host db-1, commands run on worker-1",
        ),
        (with_facts(log_bin=False), "binlog", Verdict.WARNING, "not a later point in time"),
        (
            with_facts(longest_query=timedelta(minutes=5)),
            "running queries",
            Verdict.WARNING,
            "has run for 5 min 00 s",
        ),
        (
            with_facts(longest_query=timedelta(minutes=4, seconds=59)),
            "running queries",
            Verdict.OK,
            "none longer",
        ),
        (
            with_facts(lock_holders=(LockHolder(7, "app", "10.0.0.9:1", 600, "", True),)),
            "locks",
            Verdict.WARNING,
            "possibly held by session 7 of app@10.0.0.9:1, in a transaction, since",
        ),
        (
            with_facts(lists_transactions=False),
            "locks",
            Verdict.UNKNOWN,
            "does not list its transactions",
        ),
        (
            with_facts(lock_holders=(LockHolder(7, "app", "10.0.0.9:1", 600),)),
            "locks",
            Verdict.OK,
            "no transaction or lock older than 5 min 00 s",
        ),
        (with_facts(longest_query=None), "running queries", Verdict.UNKNOWN, "may not see"),
        (with_facts(innodb=ENCRYPTED), "server encryption", Verdict.WARNING, "2 tablespaces"),
        (
            replace(SOUND, key_id="", key_problem=Problem("no key file", "Create one.")),
            "backup key",
            Verdict.FAILED,
            "no key file",
        ),
        (
            with_main(problem=Problem("/backup is not a repository", "Mount it.")),
            "repository main",
            Verdict.FAILED,
            "/backup is not a repository",
        ),
        (with_main(found_uuid="u2"), "repository main", Verdict.FAILED, "another repository"),
        (with_main(encrypted=False), "repository main", Verdict.WARNING, "NOT encrypted"),
        (with_main(free_bytes=GIB), "room in main", Verdict.FAILED, "1.0 GiB free"),
        (with_main(free_bytes=6 * GIB), "room in main", Verdict.WARNING, "hardly compress"),
        (with_main(free_bytes=None), "room in main", Verdict.UNKNOWN, "free space is unknown"),
        (
            replace(with_main(free_bytes=GIB), is_link=True),
            "room in main",
            Verdict.WARNING,
            "no earlier one is stored",
        ),
        (replace(SOUND, repositories=()), "repository", Verdict.FAILED, "no repository is enabled"),
    ],
)
def test_one_thing_wrong(survey: Survey, name: str, verdict: Verdict, words: str) -> None:
    checks = checked(survey)
    assert checks[name].verdict is verdict
    assert words in checks[name].found
    # Whatever is wrong comes with something to do about it.
    assert verdict in {Verdict.OK, Verdict.UNKNOWN} or checks[name].hint or name == "tool"


def test_every_missing_privilege_comes_with_the_statement_that_grants_it() -> None:
    checks = checked(with_facts(grants=Grants("bk@10.0.0.%", frozenset({"PROCESS"}), ("r",))))
    assert checks["privileges"].found == (
        "missing RELOAD (locks the end of the copy), BINLOG MONITOR (reads the binlog position)"
    )
    assert checks["privileges"].hint == (
        "Run GRANT RELOAD, BINLOG MONITOR ON *.* TO `bk`@`10.0.0.%`; "
        "A role counts only as the user's default role; granted: r."
    )


def test_an_instance_that_cannot_be_reached_leaves_the_rest_to_be_looked_at() -> None:
    checks = checked(replace(SOUND, facts=None, unreachable=Problem("no answer", "Start it.")))
    assert checks["reachable"].found == "no answer"
    assert [check.name for check in failed(checks.values())] == ["reachable"]
    assert {name for name, check in checks.items() if check.verdict is Verdict.UNKNOWN} == {
        "version",
        "privileges",
        "tool",
    }
    assert checks["repository main"].verdict is Verdict.OK


def test_an_unencrypted_repository_needs_no_key() -> None:
    survey = replace(
        with_main(encrypted=False), key_id="", key_problem=Problem("no key file", "Create one.")
    )
    assert "backup key" not in checked(survey)


@pytest.mark.parametrize(
    ("facts", "files", "raw_bytes"),
    [
        # The bigger of what InnoDB knows and what the folder holds, redo, and other engines.
        (FACTS, HOST.files, 6 * GIB),
        (replace(FACTS, innodb=InnodbSizes(9 * GIB, 1, 0, GIB)), HOST.files, 11 * GIB),
        (FACTS, None, 4 * GIB),
        (None, HOST.files, 5 * GIB),
        (None, None, None),
    ],
)
def test_what_will_be_read(
    facts: ServerFacts | None, files: DataFiles | None, raw_bytes: int | None
) -> None:
    survey = replace(SOUND, facts=facts, host=replace(HOST, files=files))
    assert survey.raw_bytes == raw_bytes


def test_it_refuses_with_every_figure_and_every_hint() -> None:
    checks = decide_checks(
        replace(with_main(free_bytes=GIB), host=replace(HOST, tool=Version(10, 6, 1)))
    )
    with pytest.raises(Refused) as refusal:
        refuse_if_failed(checks)
    assert "tool: mariadb-backup is 10.6.1, the server is 10.11.19" in str(refusal.value)
    assert "room in main: about 4.6 GiB needed" in str(refusal.value)
    assert "1.0 GiB free" in str(refusal.value)
    assert refusal.value.hint == (
        "Install mariadb-backup 10.11 on this host. Purge backups, or add space to the repository."
    )


@pytest.mark.django_db
def test_it_remembers_what_it_saw_and_writes_nothing_else() -> None:
    orders = Instance.objects.create(name="orders-1")
    Instance.objects.filter(pk=orders.pk).update(host="10.0.0.9")
    remember(orders, FACTS, NOW, raw_bytes=6 * GIB)
    orders.refresh_from_db()
    assert (orders.flavour, orders.version) == ("mariadb", "10.11.19-MariaDB-log")
    assert (orders.data_bytes, orders.seen_at) == (6 * GIB, NOW)
    assert orders.host == "10.0.0.9"


@pytest.mark.django_db
def test_a_size_nobody_could_find_out_does_not_replace_the_last_one() -> None:
    orders = Instance.objects.create(name="orders-1", data_bytes=GIB)
    remember(orders, FACTS, NOW)
    orders.refresh_from_db()
    assert orders.data_bytes == GIB


@pytest.mark.django_db
def test_the_ratio_of_the_newest_full_backup() -> None:
    orders = Instance.objects.create(name="orders-1")
    assert load_past_ratio(orders) is None
    for number, (kind, stored) in enumerate(
        [(BackupKind.FULL, 80), (BackupKind.FULL, 40), (BackupKind.INCREMENTAL, 10)]
    ):
        Backup.objects.create(
            label=f"b{number}",
            instance=orders,
            kind=kind,
            engine="mariadb_backup",
            raw_bytes=100,
            stored_bytes=stored,
            file_count=1,
            started_at=NOW,
            ended_at=NOW + timedelta(hours=number),
        )
    assert load_past_ratio(orders) == 0.4
