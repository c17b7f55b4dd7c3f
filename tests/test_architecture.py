"""Does the tree still have the shape it was given?"""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from alerts.rules import RULES

HERE = Path(__file__).resolve()
ROOT = HERE.parent.parent
PACKAGES = ("backups", "alerts", "monitor", "scripts", "bench", "tests")
LOG_METHODS = {"debug", "info", "warning", "error", "exception", "critical"}
UPDATES = {"update", "aupdate", "update_or_create"}
LONGEST_MODULE = 400
# Longer than others, because it is carried alone: a reader of the whole format in one file (see
# docs/decisions/0001-own-archive-format.md).
LONGEST_OF_THEIR_OWN = {"scripts/extract_backup.py": 790}
LONGEST_FUNCTION = 40
APPS = ("backups/", "alerts/", "monitor/")
LOG_METHODS = {"debug", "info", "warning", "error", "exception", "critical", "log"}
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
    "backups/transitions/approvals.py",
    "backups/transitions/copies.py",
    "backups/transitions/deletions.py",
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
    longest = {name: LONGEST_OF_THEIR_OWN.get(name, LONGEST_MODULE) for name in lengths}
    assert {name: lines for name, lines in lengths.items() if lines > longest[name]} == {}


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


def test_no_function_outgrows_a_reader() -> None:
    found = {named(path): list(long_functions(parsed(path))) for path in MODULES}
    assert {name: functions for name, functions in found.items() if functions} == {}


def long_functions(module: ast.Module) -> Iterator[str]:
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            if node.end_lineno - node.lineno >= LONGEST_FUNCTION:
                yield node.name


def test_every_log_record_has_an_action() -> None:
    found = {named(path): list(logs_without_action(parsed(path))) for path in PRODUCT}
    assert {name: lines for name, lines in found.items() if lines} == {}


def logs_without_action(module: ast.Module) -> Iterator[int]:
    """Yield the lines of log calls whose ``extra`` does not name what happened."""
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and _logs(node.func):
            extras = [keyword.value for keyword in node.keywords if keyword.arg == "extra"]
            if not any(isinstance(extra, ast.Dict) and _names_action(extra) for extra in extras):
                yield node.lineno


def _logs(function: ast.expr) -> bool:
    by_method = isinstance(function, ast.Attribute) and function.attr in LOG_METHODS
    return by_method and ast.unparse(function).startswith(("logger.", "logging."))


def _names_action(extra: ast.Dict) -> bool:
    return any(isinstance(key, ast.Constant) and key.value == "action" for key in extra.keys)


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("logger.info('x')", [1]),
        ("logger.exception('x', extra={'job_id': 1})", [1]),
        ("logger.info('x', extra={'job_id': 1, 'action': 'job_claimed'})", []),
        ("messages.info(request, 'x')", []),
    ],
)
def test_a_log_record_without_an_action_is_seen(source: str, lines: list[int]) -> None:
    assert list(logs_without_action(ast.parse(source))) == lines


def test_no_modules_import_each_other_in_a_circle() -> None:
    names = {module_name(path): path for path in MODULES}
    imports = {
        name: set(imported(parsed(path), name, path.name == "__init__.py")) & names.keys() - {name}
        for name, path in names.items()
    }
    assert in_circles(imports) == set()


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(module: ast.Module, name: str, is_package: bool) -> Iterator[str]:
    """Yield what a module imports anywhere, in its functions too, but for type checkers."""
    for_types = {
        id(inner)
        for node in ast.walk(module)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in ast.walk(module):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = name.split(".")[: len(name.split(".")) - node.level + is_package]
            base = ".".join([*above, *filter(None, [node.module])]) if node.level else node.module
            assert base is not None
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def in_circles(imports: Mapping[str, set[str]]) -> set[str]:
    """Return the modules that reach themselves: what nothing imports or imports nothing goes."""
    left = dict(imports)
    while True:
        wanted = set().union(*left.values())
        kept = {name: found & left.keys() for name, found in left.items() if name in wanted}
        kept = {name: found for name, found in kept.items() if found}
        if kept == left:
            return set(left)
        left = kept


def test_a_circle_of_imports_is_seen() -> None:
    late = imported(ast.parse("def f():\n    from a.b import c"), "a.d", False)
    assert list(late) == ["a.b", "a.b.c"]
    beside = imported(ast.parse("from . import c"), "a.b.d", False)
    assert list(beside) == ["a.b", "a.b.c"]
    within = imported(ast.parse("from .c import d"), "a.b", True)
    assert list(within) == ["a.b.c", "a.b.c.d"]
    typing = imported(ast.parse("if TYPE_CHECKING:\n    import a"), "b", False)
    assert list(typing) == []
    assert in_circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == {"b", "c"}


def test_a_class_name_means_one_thing() -> None:
    found: dict[str, list[str]] = {}
    for path in PRODUCT:
        # Django finds a command by its class being called Command.
        if path.parent.name != "commands" and named(path).startswith(APPS):
            for node in parsed(path).body:
                if isinstance(node, ast.ClassDef):
                    found.setdefault(node.name, []).append(named(path))
    assert {name: paths for name, paths in found.items() if len(paths) > 1} == {}
