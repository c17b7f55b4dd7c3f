"""A repository that fails forbids no backup while another one is left."""

from __future__ import annotations

from dataclasses import replace

from backups.checks import Verdict, failed
from backups.preflight.checks import Preflight, decide_checks
from backups.preflight.left_out import JudgedChecks, judge_together
from backups.preflight.survey import Problem, RepositorySurvey
from tests.backups.preflight.test_checks import GIB, MAIN, SOUND

GONE = RepositorySurvey(
    "offsite", encrypted=True, uuid="u2", problem=Problem("/srv/offsite is not mounted")
)
FULL = replace(MAIN, name="small", uuid="u3", found_uuid="u3", free_bytes=GIB // 100)


def judged(*repositories: RepositorySurvey) -> JudgedChecks:
    survey = replace(SOUND, repositories=repositories)
    return judge_together(Preflight(survey, tuple(decide_checks(survey))))


def test_the_backup_goes_to_the_others_and_the_missing_copies_are_named() -> None:
    found = judged(MAIN, GONE, FULL)
    assert not failed(found.checks)
    assert found.left_out == ("offsite", "small")
    assert found.missing_copies == "no copy in offsite, small"
    warned = {check.name: check for check in found.checks if check.verdict is Verdict.WARNING}
    assert set(warned) == {"repository offsite", "room in small"}
    assert warned["repository offsite"].found == (
        "/srv/offsite is not mounted; a backup to several repositories goes to the others, "
        "its copy in offsite will be missing"
    )


def test_with_no_other_one_it_is_refused() -> None:
    for repositories in ((GONE,), (GONE, FULL)):
        found = judged(*repositories)
        assert len(failed(found.checks)) == len(repositories)
        assert found.left_out == ()


def test_what_is_not_about_a_repository_still_forbids_it() -> None:
    survey = replace(SOUND, facts=None, repositories=(MAIN, GONE))
    found = judge_together(Preflight(survey, tuple(decide_checks(survey))))
    assert {check.name for check in failed(found.checks)} >= {"reachable"}
    assert found.left_out == ("offsite",)
