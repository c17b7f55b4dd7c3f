"""What counts as the result of a rehearsal, and that it is none for or against the backup."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.utils.timezone import now

from backups.catalog.evidence import load_proofs
from backups.engines.base import CopyFacts
from backups.engines.details import CopyDetails
from backups.engines.mariadb_backup.metadata import MariadbDetails
from backups.exceptions import (
    ArchiveError,
    CancelRequested,
    EngineError,
    LeaseLost,
    MooringError,
    Refused,
    RepositoryError,
    StageFailed,
)
from backups.executor.operations import exclusive_key, plan_job
from backups.jobs.repeat import rerun
from backups.jobs.request import create_copy_job
from backups.models import Backup, Evidence, Instance, Job, JobStage, Rehearsal, Repository
from backups.parameters import RehearsalParameters
from backups.programs.compatibility import CLONE, MARIADB, MARIADB_BACKUP, Version
from backups.programs.server_program import ServerProgram
from backups.restores.upgrade_program import UpgradeProgram, check_upgrade, find_upgrade_program
from backups.running.run import Run
from backups.stages.rehearsal.check_program import CheckProgram
from backups.stages.rehearsal.clean_shutdown import CleanShutdown
from backups.stages.rehearsal.record import RecordRehearsal
from backups.stages.rehearsal.result import failure_of_rehearsal, record_rehearsal
from backups.stages.rehearsal.run_checks import RunOwnChecks
from backups.stages.rehearsal.upgrade import CheckUpgraded, StartUpgraded, Upgrade
from backups.stages.restore.work import RestoreWork, rehearsal_work
from backups.states import JobStatus, Operation, StageStatus
from backups.transitions.jobs import claim
from tests.backups.fake_engine import FakeEngine
from tests.backups.taking import take_backup

pytestmark = pytest.mark.django_db(transaction=True)
ASKED = RehearsalParameters("/opt/newer/bin/mariadbd")
NEWER = UpgradeProgram(ServerProgram("/opt/newer/bin/mariadbd", MARIADB), Version(11, 8, 3))


@pytest.fixture
def run(orders: Instance, main: Repository, engine: FakeEngine) -> Run:
    copy = take_backup(orders).copies.get()
    Backup.objects.update(server_version="10.11.6-MariaDB")
    job = create_copy_job(Operation.REHEARSAL, copy, parameters=ASKED, wake=False)
    assert claim(job, worker="w", exclusive_key="k", now=now())
    return Run(job)


@pytest.fixture
def work(run: Run) -> RestoreWork:
    return replace(rehearsal_work(run.job, ASKED), upgrade=NEWER)


@pytest.mark.parametrize(
    ("error", "recorded"),
    [
        (EngineError("the server ended with 1"), True),
        (ArchiveError("a frame is damaged"), True),
        (RepositoryError("the disk is gone"), False),
        (Refused("the backup needs keys"), False),
        (StageFailed("no space left on device"), False),
    ],
)
def test_a_full_disk_is_no_failed_upgrade(
    run: Run, work: RestoreWork, error: MooringError, recorded: bool
) -> None:
    with pytest.raises(type(error)), failure_of_rehearsal(run, work, "upgrade"):
        raise error
    found = [(str(each), each.error) for each in Rehearsal.objects.all()]
    failed = "restores and upgrades to MariaDB 11.8.3: no, failed in upgrade"
    assert found == ([(failed, str(error))] if recorded else [])
    assert not Evidence.objects.exists()


def test_nor_is_a_cancelled_job(run: Run, work: RestoreWork) -> None:
    run.stop(CancelRequested())
    with pytest.raises(EngineError), failure_of_rehearsal(run, work, "upgrade"):
        raise EngineError("the server was ended")
    assert not Rehearsal.objects.exists()


def test_what_passed_is_no_proof_of_the_backup(run: Run, work: RestoreWork) -> None:
    work.began_at = now()
    work.answered_at = work.began_at + timedelta(seconds=41)
    began = now()
    JobStage.objects.create(
        job=run.job, position=90, name="upgrade", status=StageStatus.SUCCEEDED,
        started_at=began, ended_at=began + timedelta(seconds=3),
    )  # fmt: skip
    found = record_rehearsal(run, work)
    assert str(found) == "restores and upgrades to MariaDB 11.8.3: yes, 41 s"
    assert (found.origin, found.stages["upgrade"]) == ("MariaDB 10.11.6", 3.0)
    proof = load_proofs([work.copy.backup])[work.copy.backup.pk]
    assert (proof.verify, proof.restore_test, proof.in_words()) == (None, None, "not proven yet")


def test_a_run_that_lost_its_lease_records_nothing(run: Run, work: RestoreWork) -> None:
    Job.objects.update(fencing_token=99)
    with pytest.raises(LeaseLost):
        record_rehearsal(run, work)
    assert not Rehearsal.objects.exists()


def test_the_stages_of_a_rehearsal(run: Run) -> None:
    stages, work = plan_job(run.job)
    assert [stage.name for stage in stages] == [
        "check program", "check target", "extract", "prepare", "clean shutdown", "upgrade",
        "start upgraded", "check upgraded", "own checks", "record rehearsal",
    ]  # fmt: skip
    # Until a byte may be written, what cannot be done is refused.
    assert [stage.name for stage in stages if stage.may_refuse] == ["check program", "check target"]
    assert work.target.name == f"rehearsal-{run.job.pk}"
    assert exclusive_key(run.job) == f"rehearsal:{run.job.copy_id}"
    assert not RunOwnChecks().should_run(run, work)


@pytest.mark.parametrize(
    "stage", [Upgrade(), StartUpgraded(), CheckUpgraded(), RunOwnChecks(), RecordRehearsal()]
)
def test_no_stage_goes_on_without_what_was_before_it(
    run: Run, stage: Upgrade | StartUpgraded | CheckUpgraded | RunOwnChecks | RecordRehearsal
) -> None:
    with pytest.raises((StageFailed, EngineError), match=r"was not looked at|started"):
        stage.run(run, rehearsal_work(run.job, ASKED))


def test_a_shutdown_that_fails_is_a_result(run: Run, work: RestoreWork, tmp_path: Path) -> None:
    work.target = tmp_path
    with pytest.raises(EngineError):
        CleanShutdown().run(run, work)
    assert Rehearsal.objects.get().failed_stage == "clean shutdown"


def test_a_rehearsal_is_not_run_again_from_a_page(run: Run, admin_user: User) -> None:
    Job.objects.update(status=JobStatus.FAILED)
    run.job.refresh_from_db()
    with pytest.raises(Refused, match="is started with rehearseupgrade"):
        rerun(run.job, requested_by=admin_user)


def test_what_the_newer_server_cannot_load_is_refused() -> None:
    backup = CopyFacts(server_version="10.11.6-MariaDB")
    assert check_upgrade(backup, MARIADB_BACKUP, NEWER) == "MariaDB 10.11.6 to MariaDB 11.8.3"
    for details in (MariadbDetails(plugins="file_key_management"), CopyDetails(keyring_file="k")):
        with pytest.raises(Refused, match="loads no plugins and no keys"):
            check_upgrade(replace(backup, details=details), MARIADB_BACKUP, NEWER)
    with pytest.raises(Refused, match="no valid server version"):
        check_upgrade(CopyFacts(), MARIADB_BACKUP, NEWER)
    with pytest.raises(Refused, match="another product"):
        check_upgrade(CopyFacts(server_version="9.7.4"), CLONE, NEWER)


def test_the_program_is_looked_at_before_anything_else(run: Run, work: RestoreWork) -> None:
    work.rehearsal = RehearsalParameters("/nowhere/mariadbd")
    with pytest.raises(Refused, match="/nowhere/mariadbd cannot be run: No such file"):
        CheckProgram().run(run, work)
    with pytest.raises(MooringError, match="is not an absolute path"):
        find_upgrade_program("mariadbd", work.target)
