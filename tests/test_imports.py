"""What is large is loaded only where it is used: every command, process and page waits for it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.processes import ROOT

LARGE = ("apprise", "httpx", "plotly", "celery", "kombu", "pymysql", "backups.engines")
LOADED = "; import sys; print(*sorted(name for name in {large!r} if name in sys.modules))"
SET_UP = "import django; django.setup()"
COMMAND = (
    SET_UP + "; from django.core.management import call_command; call_command('migrate', "
    "verbosity=0); call_command({name!r})"
)


def loaded_by(code: str, home: Path, large: tuple[str, ...] = LARGE) -> list[str]:
    """Return which of the large packages a process has loaded after ``code``."""
    argv = [sys.executable, "-c", code + LOADED.format(large=large)]
    environment = {
        "PATH": os.environ["PATH"],
        "MOORING_HOME": str(home),
        "MOORING_DJANGO_KEY": "only-for-tests",
        "MOORING_SECRET_KEY": "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=",
        "DJANGO_SETTINGS_MODULE": "monitor.settings",
        # As the option --skip-checks of Mooring's workers does.
        "CELERY_SKIP_CHECKS": "true",
    }
    done = subprocess.run(
        argv, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout.splitlines()[-1].split()


def test_django_is_set_up_without_them(tmp_path: Path) -> None:
    assert loaded_by(SET_UP, tmp_path, (*LARGE, "backups.admin")) == []


@pytest.mark.parametrize("name", ["listbackups", "listschedules"])
def test_commands_that_only_read_need_none_of_them(tmp_path: Path, name: str) -> None:
    assert loaded_by(COMMAND.format(name=name), tmp_path) == []


def test_a_worker_sends_no_messages(tmp_path: Path) -> None:
    tasks = "; from monitor.celery import app; app.loader.import_default_modules()"
    loaded = loaded_by(SET_UP + tasks, tmp_path)
    assert {"apprise", "httpx", "plotly"}.isdisjoint(loaded)
    assert "celery" in loaded


def test_the_web_process_loads_its_pages_before_it_forks(tmp_path: Path) -> None:
    loaded = loaded_by("import monitor.wsgi", tmp_path, (*LARGE, "monitor.views.fleet"))
    assert {"celery", "monitor.views.fleet"} <= set(loaded)
    assert {"apprise", "httpx"}.isdisjoint(loaded)
