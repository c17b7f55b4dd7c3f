"""Which processes there are, and what the environment changes about them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.console import SetupError
from scripts.processes import ROOT, bind_address, children, home
from scripts.up import site_url

OWN = {"MOORING_HOME": "/tmp/mooring-somewhere"}


def argv_of(name: str, environment: dict[str, str]) -> str:
    return " ".join(next(one.argv for one in children(environment) if one.name == name)[1:])


def test_redis_stops_last() -> None:
    assert [one.name for one in children(OWN)] == ["redis", "worker", "control", "binlogs", "web"]
    assert [one.name for one in children(OWN) if one.stops_last] == ["redis"]


def test_a_redis_of_the_operator_replaces_ours() -> None:
    names = [one.name for one in children({**OWN, "REDIS_URL": "redis://10.0.0.1"})]
    assert names == ["worker", "control", "binlogs", "web"]


def test_the_procfile_names_the_same_processes() -> None:
    lines = (ROOT / "Procfile").read_text().splitlines()
    assert lines == [f"{one.name}: ./mooring run {one.name}" for one in children(OWN)]


@pytest.mark.parametrize("document", ["mooring", "docs/operations.md"])
def test_whoever_runs_them_learns_of_all(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    begin, mark = {"mooring": ("PROCESSES=", ""), "docs/operations.md": ("A supervisor", "`")}[
        document
    ]
    section = text[text.index(begin) :].partition("\n\n")[0]
    assert all(f"{mark}{one.name}{mark}" in section for one in children(OWN))


def test_our_redis_gets_no_keys_and_mooring_does() -> None:
    whole = {"PATH": "/bin", "MOORING_BACKUP_KEY": "Tr0ub4dor"}
    environments = {child.name: child.environment(whole) for child in children({})}
    assert "MOORING_BACKUP_KEY" not in environments.pop("redis")
    assert all(environment == whole for environment in environments.values())


def test_our_redis_has_no_port_and_drops_nothing() -> None:
    argv = argv_of("redis", OWN)
    assert "--port 0 --unixsocket /tmp/mooring-somewhere/run/redis.sock" in argv
    assert "--maxmemory-policy noeviction" in argv


def test_the_worker_leaves_processor_and_disk_to_the_servers_and_no_other_does() -> None:
    worker = next(one.argv for one in children(OWN) if one.name == "worker")
    wrapper = worker[: worker.index(sys.executable)]
    own = str(max(os.getpriority(os.PRIO_PROCESS, 0), 10))
    for command, low in (("nice", own), ("ionice", "best-effort: prio 7")):
        shown = subprocess.run([*wrapper, command], capture_output=True, text=True, check=True)
        assert shown.stdout.strip() == low
    shown = subprocess.run(
        [*wrapper, "chrt", "-p", "0"], capture_output=True, text=True, check=True
    )
    assert "SCHED_BATCH" in shown.stdout
    for name in ("control", "binlogs", "web"):
        assert "nice" not in argv_of(name, OWN)


def test_ticks_have_a_process_of_their_own() -> None:
    assert "--queues copy,transfer" in argv_of("worker", OWN)
    assert "-A monitor.control" in argv_of("control", OWN)
    assert "monitor.control" not in argv_of("worker", OWN)


def test_waiting_for_others_is_done_by_threads() -> None:
    # Ticks run in a thread of the process, which must not be forked beside it.
    assert "--pool threads" in argv_of("control", OWN)


def test_how_many_jobs_run_at_once_is_the_operators_choice() -> None:
    assert "--concurrency 5" in argv_of("worker", {**OWN, "MOORING_WORKERS": "5"})


@pytest.mark.parametrize(
    ("environment", "address", "url"),
    [
        ({}, "127.0.0.1:8000", "http://127.0.0.1:8000/"),
        ({"MOORING_PORT": "81"}, "127.0.0.1:81", "http://127.0.0.1:81/"),
        ({"MOORING_BIND": "0.0.0.0:82"}, "0.0.0.0:82", "http://127.0.0.1:82/"),
        (
            {"MOORING_BIND": "10.0.0.5:83", "MOORING_PORT": "1"},
            "10.0.0.5:83",
            "http://10.0.0.5:83/",
        ),
        ({"MOORING_BIND": "[::1]:84"}, "[::1]:84", "http://[::1]:84/"),
    ],
)
def test_where_the_site_listens(environment: dict[str, str], address: str, url: str) -> None:
    assert bind_address(environment) == address
    assert site_url(environment) == url


def test_the_state_folder_is_var_by_default() -> None:
    assert home({}) == ROOT / "var"
    assert home(OWN) == Path("/tmp/mooring-somewhere")


def test_a_socket_path_the_kernel_would_cut_is_refused() -> None:
    with pytest.raises(SetupError, match="longer than 107 bytes"):
        children({"MOORING_HOME": "/tmp/" + "x" * 100})
