"""What does stages/backup/lock_wait say when a backup gave up its wait for a lock?"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from backups.engines.clone import CloneOptions
from backups.exceptions import LockNotGranted
from backups.models import Instance
from backups.stages.backup.lock_wait import with_holders

GAVE_UP = LockNotGranted("the tool gave up its wait for a lock on the instance")


# Any: a work of which only the job and the options are read.
def work_of(instance: Instance) -> Any:
    asked = SimpleNamespace(options=CloneOptions(lock_wait_seconds=7))
    return SimpleNamespace(job=SimpleNamespace(instance=instance), asked=asked)


@pytest.mark.django_db
def test_an_unreachable_instance_does_not_hide_the_error() -> None:
    # Nothing listens there: who holds the lock stays unknown.
    instance = Instance.objects.create(name="orders-1", host="127.0.0.1", port=1, engine="clone")
    error = with_holders(GAVE_UP, work_of(instance))
    assert str(error) == "the tool gave up its wait for a lock on the instance after 7 s"
    assert "look for table locks" in error.hint
