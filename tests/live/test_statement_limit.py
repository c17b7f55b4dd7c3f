"""PostgreSQL works on a statement of a page for a limited time, elsewhere without a limit."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.private_postgres import private_postgres
from tests.live.mooring_site import ROOT

pytestmark = pytest.mark.live

SLEEP = """
from django.db import connection
with connection.cursor() as cursor:
    cursor.execute("SHOW statement_timeout")
    print(cursor.fetchone()[0], flush=True)
    cursor.execute("SELECT pg_sleep(2)")
"""
WEB = "import monitor.wsgi\n"
OTHER = "import django; django.setup()\n"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with private_postgres() as url:
        yield url


def run(url: str, home: Path, code: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": url,
        "MOORING_HOME": str(home),
        "MOORING_DJANGO_KEY": "x" * 50,
        "MOORING_SECRET_KEY": "QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI=",
        "DJANGO_SETTINGS_MODULE": "monitor.settings",
        **more,
    }
    return subprocess.run(
        [sys.executable, "-c", code + SLEEP],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_page_has_a_limit(url: str, tmp_path: Path) -> None:
    assert run(url, tmp_path, WEB).stdout == "20s\n"
    ended = run(url, tmp_path, WEB, MOORING_STATEMENT_SECONDS="1")
    assert (ended.returncode, ended.stdout) == (1, "1s\n")
    assert "canceling statement due to statement timeout" in ended.stderr


def test_other_processes_have_none(url: str, tmp_path: Path) -> None:
    ended = run(url, tmp_path, OTHER)
    assert (ended.returncode, ended.stdout) == (0, "0\n"), ended.stderr
