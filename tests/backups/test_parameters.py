"""What a job was asked, as its row has it: read, checked and written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from backups.engines.clone import CloneOptions
from backups.exceptions import BadInput
from backups.models import Instance, Job
from backups.parameters import (
    BackupParameters,
    ObservedParameters,
    Parameters,
    PurgeParameters,
    RestoreParameters,
    RestoreTestParameters,
    VerifyParameters,
    parameters_of,
)
from backups.states import Operation


# Any: a row's JSON.
def job_with(operation: Operation, parameters: Any, **fields: str) -> Job:
    instance = Instance(name="orders-1")
    return Job(pk=7, operation=operation, instance=instance, parameters=parameters, **fields)


@pytest.mark.parametrize(
    ("operation", "stored", "expected"),
    [
        (Operation.VERIFY, {"pages": True}, VerifyParameters(pages=True)),
        (Operation.RESTORE_TEST, {"mysqld": "/m"}, RestoreTestParameters("/m")),
        (
            Operation.RESTORE,
            {"target": "/srv/r", "raw": True, "no_start": True, "owner": "mysql", "mysqld": ""},
            RestoreParameters(Path("/srv/r"), raw=True, no_start=True, owner="mysql"),
        ),
        (
            Operation.PURGE,
            {
                "reason": "old",
                "force": False,
                "retention": True,
                "at_once": False,
                "deletion": 7,
            },
            PurgeParameters("old", retention=True, deletion=7),
        ),
        (Operation.BACKUP, {"save_foreign_tables": True}, BackupParameters(CloneOptions(True))),
    ],
)
def test_a_row_is_read_and_written_as_it_was(
    operation: Operation, stored: dict[str, Any], expected: Parameters
) -> None:
    found = parameters_of(job_with(operation, stored, engine="clone"))
    assert (found, found.write()) == (expected, stored)


@pytest.mark.parametrize(
    ("operation", "stored", "expected"),
    [
        (Operation.VERIFY, {}, VerifyParameters()),
        (Operation.RESTORE_TEST, {}, RestoreTestParameters()),
        (Operation.RESTORE, {"target": "/r"}, RestoreParameters(Path("/r"))),
        (Operation.PURGE, {"reason": "old", "force": True}, PurgeParameters("old", force=True)),
        (Operation.BACKUP, {}, BackupParameters(CloneOptions())),
    ],
)
def test_a_row_of_an_earlier_version_is_read(
    operation: Operation, stored: dict[str, Any], expected: Parameters
) -> None:
    assert parameters_of(job_with(operation, stored, engine="clone")) == expected


@pytest.mark.parametrize(
    ("operation", "stored", "problem"),
    [
        (Operation.VERIFY, {"page": True}, "unknown key page"),
        (Operation.VERIFY, {"pages": 1}, "pages is 1: true or false is expected"),
        (Operation.RESTORE, {}, "missing key target"),
        (Operation.RESTORE, {"target": ["/r"]}, r"target is \['/r'\]: a path is expected"),
        (Operation.PURGE, {"reason": "x", "retention": 1}, "true or false is expected"),
        (Operation.PURGE, {"reason": None}, "reason is None: a text is expected"),
        (Operation.BACKUP, {"throttle": 5}, "unknown key throttle"),
        (Operation.VERIFY, ["pages"], "an object is expected"),
    ],
)
def test_what_is_invalid_is_named(operation: Operation, stored: Any, problem: str) -> None:
    with pytest.raises(BadInput, match=problem) as raised:
        parameters_of(job_with(operation, stored, engine="clone"))
    name = Operation(operation).label.lower()
    assert str(raised.value).startswith(f"the parameters of {name} job 7 of orders-1 cannot be")


def test_what_a_tool_recorded_is_of_no_operation_of_ours() -> None:
    job = job_with(Operation.BACKUP, {"facts": {"name": "n"}}, engine="mysqlbackup")
    job.origin = "observed"
    assert parameters_of(job) == ObservedParameters({"name": "n"})
