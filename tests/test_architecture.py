"""Does the tree still have the shape it was given?"""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from alerts.rules import RULES

HERE = Path(__file__).resolve()
ROOT = HERE.parent.parent
PACKAGES = ("backups", "alerts", "monitor", "scripts", "bench", "tests")
UPDATES = {"update", "aupdate", "update_or_create"}
LONGEST_MODULE = 400
# In pieces, so that this file passes its own test. Where packages come from is the
# machine's own configuration, never the project's.
REGISTRIES = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("deb", "debian", "org"),
        ("docker", "io"),
        ("ghcr", "io"),
        ("downloads", "mariadb"),
        ("dev", "mysql", "com/downloads"),
        ("cdnjs", "cloudflare"),
        ("jsdelivr", "net"),
        ("unpkg", "com"),
    )
]
STATUS_WRITERS = {
    "backups/transitions/copies.py",
    "backups/transitions/jobs.py",
    "backups/transitions/occurrences.py",
    "backups/transitions/stages.py",
    "alerts/evaluation/transitions.py",
    "alerts/delivery/transitions.py",
}


def tree() -> list[Path]:
    """Every file of the project, committed or about to be."""
    argv = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(argv, cwd=ROOT, capture_output=True, check=True).stdout.decode()
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]


TREE = tree()
MODULES = [path for path in TREE if path.suffix == ".py" and "migrations" not in path.parts]
PRODUCT = [path for path in MODULES if path.relative_to(ROOT).parts[0] not in ("tests", "bench")]


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def test_the_tree_was_found() -> None:
    assert {"manage.py", "backups/states.py", "tests/test_architecture.py"} <= set(
        map(named, MODULES)
    )


def test_no_module_outgrows_a_reader() -> None:
    lengths = {named(path): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_MODULE} == {}


def test_every_module_says_what_it_is_for() -> None:
    silent = [path for path in PRODUCT if path.read_text() and not ast.get_docstring(parsed(path))]
    assert list(map(named, silent)) == []


def test_only_transitions_write_a_status() -> None:
    found = {named(path): list(status_writes(parsed(path))) for path in PRODUCT}
    writers = {name for name, lines in found.items() if lines}
    assert "backups/transitions/jobs.py" in writers
    assert writers <= STATUS_WRITERS


def status_writes(module: ast.Module) -> Iterator[int]:
    """Yield the lines that assign to ``.status`` or update a column of that name."""
    for node in ast.walk(module):
        if isinstance(node, ast.Assign) and any(map(_is_status, node.targets)):
            yield node.lineno
        if isinstance(node, ast.AugAssign | ast.AnnAssign) and _is_status(node.target):
            yield node.lineno
        if isinstance(node, ast.Call) and _updates_status(node):
            yield node.lineno


def _is_status(target: ast.expr) -> bool:
    return isinstance(target, ast.Attribute) and target.attr == "status"


def _updates_status(call: ast.Call) -> bool:
    updates = isinstance(call.func, ast.Attribute) and call.func.attr in UPDATES
    return updates and any(keyword.arg == "status" for keyword in call.keywords)


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("job.status = 'running'", [1]),
        ("jobs.filter(pk=1).update(\n    status='running')", [1]),
        ("status = job.status", []),
        ("jobs.filter(status='running')", []),
    ],
)
def test_a_written_status_is_seen(source: str, lines: list[int]) -> None:
    assert list(status_writes(ast.parse(source))) == lines


def test_no_command_goes_through_a_shell() -> None:
    found = {named(path): list(shell_calls(parsed(path))) for path in MODULES}
    assert {name: lines for name, lines in found.items() if lines} == {}


def shell_calls(module: ast.Module) -> Iterator[int]:
    """Yield the lines of calls that would hand a string to a shell."""
    for node in ast.walk(module):
        if isinstance(node, ast.Call):
            shell = any(keyword.arg == "shell" for keyword in node.keywords)
            if shell or ast.unparse(node.func) in {"os.system", "os.popen"}:
                yield node.lineno


def members(folder: str) -> list[str]:
    """Return the names of the modules in a folder of plug-ins."""
    paths = (ROOT / folder).rglob("[!_]*.py")
    return sorted(path.stem for path in paths if path.stem != "base")


def untested(names: list[str]) -> list[str]:
    """Return the names that no test but this one mentions, by file name or by word."""
    paths = [path for path in MODULES if path.is_relative_to(ROOT / "tests")]
    texts = [named(path) + path.read_text(encoding="utf-8") for path in paths if path != HERE]
    return [name for name in names if not re.search(rf"(\b|test_){name}\b", "\n".join(texts))]


def test_every_command_has_a_test_that_names_it() -> None:
    commands = members("backups/management/commands") + members("alerts/management/commands")
    assert untested(commands) == []


def test_every_stage_has_a_test_that_names_it() -> None:
    assert untested(members("backups/stages")) == []


def test_every_rule_has_a_test_that_names_it() -> None:
    assert untested(list(RULES)) == []


def test_nothing_names_a_package_registry() -> None:
    for path in TREE:
        text = path.read_bytes().decode("utf-8", errors="replace").lower()
        found = [host for host in REGISTRIES if host in text]
        assert not found, f"{named(path)}: {found}"
