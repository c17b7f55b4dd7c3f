"""A server that is given a keyring: links and settings in a folder that is ours."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from backups.exceptions import EngineError, Refused
from backups.programs.keyring_program import check_keyring_component, link_with_keyring
from backups.programs.server_program import ServerProgram

LIBRARY, OTHER = "component_keyring_file.so", "component_reference_cache.so"


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    folder = tmp_path / "usr" / "plugin"
    folder.mkdir(parents=True)
    for name in (LIBRARY, OTHER, "component_keyring_file.cnf"):
        (folder / name).touch()
    return folder


def server(plugins: Path) -> ServerProgram:
    """Return a server that tells where its parts are when it is asked."""
    path = plugins.parent / "mysqld"
    said = (
        f"basedir  /usr/\nplugin-dir  {plugins}/\nplugin-dir-other  /x/\ncharacter-sets-dir   /c/"
    )
    path.write_text(f"#!/bin/sh\ncat <<'END'\n{said}\nlc-messages-dir  /l/\nEND\n")
    path.chmod(0o700)
    return ServerProgram(str(path), "mysql", {"mysqlx": "OFF"})


def test_the_linked_program_finds_the_keyring(plugins: Path, tmp_path: Path) -> None:
    folder, keyring = tmp_path / "run", tmp_path / "keyring"
    linked = link_with_keyring(server(plugins), keyring, folder)
    path = Path(linked.path)
    # A server reads the manifest beside the name it was started by.
    assert path.resolve() == plugins.parent / "mysqld"
    manifest = json.loads((path.parent / "mysqld.my").read_text())
    assert manifest == {"components": "file://component_keyring_file"}
    ours = Path(linked.options["plugin-dir"])
    for name in (LIBRARY, OTHER):
        assert (ours / name).resolve() == plugins / name
    configuration = json.loads((ours / "component_keyring_file.cnf").read_text())
    assert configuration == {"path": str(keyring), "read_only": True}
    assert linked.options == {
        "mysqlx": "OFF",
        "basedir": "/usr/",
        "character-sets-dir": "/c/",
        "lc-messages-dir": "/l/",
        "plugin-dir": str(ours),
    }
    # Another user than ours may have to run it.
    assert {place.stat().st_mode & 0o777 for place in (folder, path.parent, ours)} == {0o755}


def test_the_options_of_the_program_count_more_than_its_output(
    plugins: Path, tmp_path: Path
) -> None:
    given = {"basedir": "/a", "lc-messages-dir": "/b", "character-sets-dir": "/c"}
    program = ServerProgram(
        str(plugins.parent / "gone"), "mysql", {**given, "plugin-dir": str(plugins)}
    )
    linked = link_with_keyring(program, tmp_path / "keyring", tmp_path / "run")
    assert {name: linked.options[name] for name in given} == given


def test_a_server_without_the_component_is_refused(plugins: Path, tmp_path: Path) -> None:
    (plugins / LIBRARY).unlink()
    with pytest.raises(Refused, match=f"cannot open encrypted files: .*{LIBRARY}"):
        check_keyring_component(server(plugins))


def test_a_server_that_does_not_tell(plugins: Path) -> None:
    program = server(plugins)
    Path(program.path).write_text("#!/bin/sh\necho basedir /usr/\n")
    with pytest.raises(
        EngineError, match="does not report its lc-messages-dir, character-sets-dir"
    ):
        check_keyring_component(program)
