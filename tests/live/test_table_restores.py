"""Tables of a backup restored into a running server, a folder and a file, on both products."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pymysql.connections import Connection
from pytest_django import Settings

from backups.exceptions import StageFailed
from backups.executor.leftovers import remove_leftovers_of_host
from backups.instances.grants import NEEDED_TO_MAKE_TABLES
from backups.models import Activity, Job, JobLogLine, JobStage, Repository
from backups.models.activity import Verb
from backups.programs.private_server import PrivateServer, ServerOptions
from backups.programs.server_program import mariadb_program_at
from backups.stages.table_restore.check_target import CheckTableTarget
from backups.states import JobStatus
from backups.table_names.names import quoted
from backups.table_restores import transfer
from backups.table_restores.target import run
from tests.commands import Ended, run_command
from tests.live.clone_jobs import make_main, taken
from tests.live.mooring_site import wait_until
from tests.live.mysql import program
from tests.live.newer_mariadb import newer_mariadbd
from tests.live.server import free_port, new_mariadb
from tests.live.table_kinds import IN_TABLESPACE, names_of, statements_for
from tests.live.test_first_backup import PASSWORD, add_instance
from tests.live.two_products import PRODUCTS, Product, serving
from tests.live.two_products import run as run_all

pytestmark = [pytest.mark.live, pytest.mark.django_db(transaction=True)]

SCHEMAS = ("shop", "other")
PARTED = """
    SELECT DISTINCT TABLE_NAME FROM information_schema.PARTITIONS
    WHERE TABLE_SCHEMA = 'shop' AND PARTITION_NAME IS NOT NULL
"""


@pytest.fixture(scope="module", params=PRODUCTS)
def product(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Product]:
    folder = tmp_path_factory.mktemp("tables") / "data"
    with serving(request.param, folder, binlog=False) as product:
        product.run(*(f"CREATE DATABASE {schema}" for schema in SCHEMAS))
        product.run(*statements_for(product.name))
        product.run(
            *(
                f"GRANT {', '.join(NEEDED_TO_MAKE_TABLES)} ON {schema}.* TO bk@'127.0.0.1'"
                for schema in SCHEMAS
            )
        )
        yield product


@pytest.fixture
def main(tmp_path: Path, settings: Settings) -> Repository:
    settings.DEFINITIONS_SECONDS = 60
    return make_main(tmp_path, settings)


@pytest.fixture
def label(product: Product, main: Repository) -> str:
    product.add()
    return taken()


def restore(label: str, *words: str) -> Ended:
    return run_command("restoretable", label, "--foreground", *words)


# Any: SQL's values.
def content(product: Product, table: str) -> list[tuple[Any, ...]]:
    return product.run(f"SELECT * FROM {table} ORDER BY id")


def named(name: str) -> str:
    return f"shop.{quoted(name)}"


def present(product: Product) -> set[str]:
    """Return what is in the schema as long as nothing is restored, or everything is."""
    return {*names_of(product.name), "numbers", *(() if product.is_mysql else ("tickets",))}


def tables(product: Product, schema: str) -> set[str]:
    return {row[0] for row in product.run(f"SHOW TABLES FROM {schema}")}


def log() -> str:
    newest = Job.objects.latest("id")
    return "\n".join(JobLogLine.objects.filter(job=newest).values_list("text", flat=True))


def test_every_kind_of_table_comes_back(product: Product, label: str, settings: Settings) -> None:
    names = names_of(product.name)
    before = {name: content(product, named(name)) for name in names}
    definitions = {name: product.run(f"SHOW CREATE TABLE {named(name)}") for name in names}
    product.run(
        "SET foreign_key_checks = 0", *(f"DROP TABLE {named(name)}" for name in reversed(names))
    )
    words = [word for name in names for word in ("--table", named(name))]
    ended = restore(label, *words, "--to-instance", "bank-1")
    assert ended.exit_code == 0, ended.stdout + ended.stderr + log()
    for name in names:
        assert content(product, named(name)) == before[name], name
        assert product.run(f"SHOW CREATE TABLE {named(name)}") == definitions[name], name
        checked = product.run(f"CHECK TABLE {named(name)} EXTENDED")
        assert [row[-1] for row in checked if row[2] == "status"] == ["OK"], name
    assert tables(product, "shop") == present(product)
    if product.is_mysql:
        assert "shop.plain: by its files" in log()
        assert "shop.texts: row by row: its full-text index" in log()
    else:
        assert "shop.plain: row by row: backups of a MariaDB leave out imported" in log()
    # The full-text index finds what is in the rows.
    found = product.run(
        f"SELECT COUNT(*) FROM shop.texts WHERE MATCH (note) AGAINST ('{'b' * 20}')"
    )
    assert found[0][0] > 0
    assert not any(path.suffix in {".cfg", ".cfp"} for path in (product.folder / "shop").iterdir())
    assert list(Path(settings.SCRATCH_FOLDER).iterdir()) == []
    assert Activity.objects.filter(verb=Verb.RESTORED, details__target="bank-1").exists()


def test_a_table_that_is_there_is_kept_or_refused(product: Product, label: str) -> None:
    product.run("UPDATE shop.plain SET note = 'new'")
    refused = restore(label, "--table", "shop.plain", "--to-instance", "bank-1")
    assert refused.exit_code != 0
    assert "shop.plain exists" in refused.stdout + refused.stderr
    assert Job.objects.latest("id").status == JobStatus.REFUSED
    # Foreign keys would follow the old table.
    parents = restore(label, "--table", "shop.parents", "--to-instance", "bank-1", "--replace")
    assert "foreign keys of shop.children" in parents.stdout + parents.stderr
    replaced = restore(label, "--table", "shop.plain", "--to-instance", "bank-1", "--replace")
    assert replaced.exit_code == 0, replaced.stdout + replaced.stderr
    if product.is_mysql:
        # A second file of its number in the data folder would keep the server down after a crash.
        assert "shop.plain: row by row: the instance has a tablespace of the same number" in log()
    (kept,) = (name for name in tables(product, "shop") if name.startswith("plain_before_"))
    assert product.run(f"SELECT DISTINCT note FROM shop.{kept}") == [("new",)]
    assert product.run("SELECT COUNT(DISTINCT note) FROM shop.plain") == [(26,)]
    product.run(f"DROP TABLE shop.{kept}")
    assert tables(product, "shop") == present(product)


def test_a_connection_lost_in_the_renaming_leaves_its_result_unknown(
    product: Product, label: str
) -> None:
    waiting = (
        "SELECT ID FROM information_schema.PROCESSLIST "
        "WHERE STATE LIKE 'Waiting for table metadata lock' AND INFO LIKE 'RENAME TABLE%'"
    )

    def kill_it() -> None:
        wait_until(lambda: product.run(waiting))
        product.run(f"KILL {product.run(waiting)[0][0]}")

    with product.connect() as holder, holder.cursor() as cursor, ThreadPoolExecutor(1) as thread:
        cursor.execute("BEGIN")
        cursor.execute("SELECT COUNT(*) FROM shop.plain")
        killed = thread.submit(kill_it)
        ended = restore(label, "--table", "shop.plain", "--to-instance", "bank-1", "--replace")
        killed.result()
    assert ended.exit_code == 1
    said = ended.stdout + ended.stderr
    assert "whether they have them is unknown" in said
    assert "Look in the instance for shop.plain_before_" in said
    assert "plain" in tables(product, "shop")


def test_a_child_gets_another_name_and_its_orphans_are_reported(
    product: Product, label: str
) -> None:
    product.run("SET foreign_key_checks = 0", "DELETE FROM shop.parents WHERE id <= 10")
    words = ("--table", "shop.children", "--as", "shop.again", "--to-instance", "bank-1")
    ended = restore(label, *words)
    assert ended.exit_code == 0, ended.stdout + ended.stderr + log()
    stage = JobStage.objects.get(job=Job.objects.latest("id"), name="check tables")
    assert "10 rows without a parent in shop.parents" in stage.detail
    assert "CONSTRAINT" in product.run("SHOW CREATE TABLE shop.again")[0][1]
    assert "REFERENCES `again`" in product.run("SHOW CREATE TABLE shop.again")[0][1]
    product.run("DROP TABLE shop.again")
    product.run("INSERT INTO shop.parents SELECT n FROM shop.numbers WHERE n <= 10")


@pytest.mark.of_product("mysql")
def test_rows_go_where_files_cannot(
    product: Product, label: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = names_of(product.name)
    before = {name: content(product, named(name)) for name in names}
    monkeypatch.setattr("backups.table_restores.ways._why_not_files", lambda *given: "a test")
    words = [word for name in names for word in ("--table", named(name))]
    ended = restore(label, *words, "--to-instance", "bank-1", "--replace")
    assert ended.exit_code == 0, ended.stdout + ended.stderr + log()
    assert "shop.plain: row by row: a test" in log()
    for name in names:
        assert content(product, named(name)) == before[name], name
    kept = [name for name in tables(product, "shop") if "_before_" in name]
    assert len(kept) == len(names)
    product.run("SET foreign_key_checks = 0", *(f"DROP TABLE {named(name)}" for name in kept))


def test_a_file_of_sql_can_be_loaded(product: Product, label: str, tmp_path: Path) -> None:
    file = tmp_path / "tables.sql"
    words = [word for name in ("odd-näme", "made") for word in ("--table", f"shop.{name}")]
    assert restore(label, *words, "--sql", str(file)).exit_code == 0, log()
    assert file.stat().st_mode & 0o777 == 0o600
    moved = tmp_path / "moved.sql"
    moved.write_text(file.read_text().replace("`shop`", "`other`"))
    client = (
        [program("mysql"), "--no-defaults"] if product.is_mysql else ["mariadb", "--no-defaults"]
    )
    account = ["--protocol=tcp", "--host=127.0.0.1", f"--port={product.port}", "--user=loader"]
    product.run("CREATE USER loader@'127.0.0.1'", "GRANT ALL ON *.* TO loader@'127.0.0.1'")
    with moved.open("rb") as source:
        subprocess.run([*client, *account], stdin=source, check=True)
    product.run("DROP USER loader@'127.0.0.1'")
    for name in ("odd-näme", "made"):
        assert content(product, f"other.`{name}`") == content(product, named(name))
        product.run(f"DROP TABLE other.`{name}`")


@pytest.mark.of_product("mysql")
def test_a_table_of_a_general_tablespace_gets_one_of_its_own(
    product: Product, main: Repository
) -> None:
    product.run(*IN_TABLESPACE)
    product.add()
    words = ("--table", "shop.roomed", "--as", "other.roomed", "--to-instance", "bank-1")
    ended = restore(taken(), *words)
    assert ended.exit_code == 0, ended.stdout + ended.stderr + log()
    assert content(product, "other.roomed") == content(product, "shop.roomed")
    assert "TABLESPACE" not in product.run("SHOW CREATE TABLE other.roomed")[0][1]
    product.run("DROP TABLE shop.roomed", "DROP TABLE other.roomed", "DROP TABLESPACE room")


def test_files_can_be_imported_by_hand(product: Product, label: str, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    assert restore(label, "--table", "shop.plain", "--to", str(folder)).exit_code == 0, log()
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    statements = {"definitions.sql", "discard.sql", "import.sql"}
    assert names == {*statements, "shop/plain.ibd", "shop/plain.cfg"}
    assert "CREATE TABLE `shop`.`plain`" in (folder / "definitions.sql").read_text()


def test_what_a_kill_leaves_in_the_instance_is_removed(
    product: Product, label: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of files, after they came and before the server has them: the clean-up finds both."""
    last = "IMPORT TABLESPACE" if product.is_mysql else "INSERT INTO"

    def cut(connection: Connection[Any], sql: str | bytes) -> None:
        if last in str(sql):
            raise StageFailed("cut here")
        run(connection, sql)

    monkeypatch.setattr(transfer, "run", cut)
    monkeypatch.setattr(CheckTableTarget, "clean_up", lambda *given: None)
    # Files come only where the instance lacks the table.
    product.run("RENAME TABLE shop.squeezed TO other.kept")
    product.run("CREATE TABLE shop.squeezed AS SELECT * FROM other.kept", "DROP TABLE other.kept")
    words = ("--table", "shop.squeezed", "--as", "other.again", "--to-instance", "bank-1")
    assert restore(label, *words).exit_code != 0
    (left,) = tables(product, "other")
    assert left.startswith("mooring_")
    assert len(list((product.folder / "other").glob("*.cfg"))) == product.is_mysql
    # A command in the foreground would do it too, before it begins.
    assert remove_leftovers_of_host() == 1
    assert tables(product, "other") == set()
    assert {path.name for path in (product.folder / "other").iterdir()} <= {"db.opt"}


def test_what_cannot_be_done_is_refused_before_anything_is_made(
    product: Product, label: str, tmp_path: Path
) -> None:
    for words, why in (
        (("--table", "shop.none", "--to-instance", "bank-1"), "has no table shop.none"),
        (("--table", "shop.plain", "--as", "x.y", "--to-instance", "bank-1"), "no schema x"),
        (("--table", "shop.plain", "--sql", str(tmp_path)), "exists"),
        (("--table", "shop.plain", "--replace", "--sql", "/tmp/x"), "only a table of an instance"),
    ):
        ended = restore(label, *words)
        assert ended.exit_code != 0
        assert why in ended.stdout + ended.stderr, ended.stdout + ended.stderr
    product.run("REVOKE INSERT ON other.* FROM bk@'127.0.0.1'")
    ended = restore(label, "--table", "shop.plain", "--as", "other.x", "--to-instance", "bank-1")
    assert "lacks INSERT" in ended.stdout + ended.stderr
    product.run("GRANT INSERT ON other.* TO bk@'127.0.0.1'")
    assert tables(product, "other") == set()


@pytest.mark.of_product("mariadb")
def test_rows_that_have_a_history_are_refused(product: Product, main: Repository) -> None:
    product.run("CREATE TABLE shop.dated (id INT PRIMARY KEY) WITH SYSTEM VERSIONING")
    product.add()
    words = ("--table", "shop.dated", "--as", "other.dated", "--to-instance", "bank-1")
    ended = restore(taken(), *words)
    product.run("DROP TABLE shop.dated")
    assert "keeps the history of its rows" in ended.stdout + ended.stderr
    assert Job.objects.latest("id").status == JobStatus.REFUSED
    assert tables(product, "other") == set()


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateServer]:
    """A MariaDB of a newer series, on a folder that the installed one has made."""
    folder = tmp_path_factory.mktemp("newer") / "data"
    new_mariadb(folder)
    server = mariadb_program_at(str(newer_mariadbd()))
    settings = ServerOptions(port=free_port(), server_id=1, program=server)
    with PrivateServer(folder, settings) as newer:
        statements = (
            f"CREATE USER bk@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'",
            "GRANT ALL ON *.* TO bk@'127.0.0.1'",
            "CREATE DATABASE shop",
        )
        run_all(newer.connect, statements)
        yield newer


def test_a_newer_mariadb_takes_tables_of_an_older_one_and_none_of_a_mysql(
    product: Product, label: str, newer: PrivateServer
) -> None:
    add_instance(newer, name="newer")
    names = ("parted", "made", "typed")
    words = [word for name in names for word in ("--table", named(name))]
    ended = restore(label, *words, "--to-instance", "newer")
    made = {row[0] for row in run_all(newer.connect, ("SHOW TABLES FROM shop",))}
    if product.is_mysql:
        assert "the backup is of the other product" in ended.stdout + ended.stderr
        assert made == set()
        return
    assert ended.exit_code == 0, ended.stdout + ended.stderr + log()
    assert made == set(names)
    for name in names:
        rows = run_all(newer.connect, (f"SELECT * FROM {named(name)} ORDER BY id",))
        assert rows == content(product, named(name)), name
    run_all(newer.connect, ("DROP DATABASE shop", "CREATE DATABASE shop"))


def test_all_tables_of_a_pattern_are_imported_into_a_running_server(
    product: Product, label: str, tmp_path: Path
) -> None:
    """The last one: until the next checkpoint a backup of this MariaDB lacks what was imported."""
    names = names_of(product.name)
    before = {name: content(product, named(name)) for name in names}
    folder = tmp_path / "files"
    product.run("CREATE TABLE shop.isam (id INT) ENGINE=MyISAM")
    ended = restore(taken(), "--all-of", "shop.*", "--to", str(folder))
    assert ended.exit_code == 0, ended.stdout + ended.stderr + log()
    assert "left out, as no server imports them: shop.isam\n" in ended.stderr
    # Run where the tables are alive, it harms none.
    product.run(*statements_in(folder / "discard.sql"))
    assert {name: content(product, named(name)) for name in names} == before
    product.run(
        "SET foreign_key_checks = 0",
        *(f"DROP TABLE {named(each)}" for each in tables(product, "shop")),
    )
    for file in ("definitions.sql", "discard.sql"):
        product.run(*statements_in(folder / file))
    # MariaDB refuses to import all partitions at once: docs/tables.md.
    parted = set() if product.is_mysql else {row[0] for row in product.run(PARTED)}
    owner = (product.folder / "shop").stat()
    for path in (folder / "shop").iterdir():
        if product.is_mysql or "#P#" not in path.name:
            shutil.copy(path, product.folder / "shop")
            os.chown(product.folder / "shop" / path.name, owner.st_uid, owner.st_gid)
    product.run(*statements_in(folder / "import.sql"))
    for name in set(names) - parted:
        assert content(product, named(name)) == before[name], name
    checked = product.run("CHECK TABLE shop.plain, shop.squeezed, shop.pages, shop.children")
    assert {row[3] for row in checked} == {"OK"}


def statements_in(path: Path) -> list[str]:
    text = "".join(line for line in path.open() if not line.startswith("-- "))
    return [each for each in text.split(";\n") if each]
