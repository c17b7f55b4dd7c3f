"""Tests of what is said of settings that name something there is not."""

from __future__ import annotations

from pytest_django.fixtures import Settings

from backups.executor.setting_checks import check_stalling_stages


def test_stages_and_sub_operations_are_known(settings: Settings) -> None:
    settings.STALL_SECONDS_OF_STAGES = {"extract": 60, "backup lock": 60, "page copy": 60}
    assert check_stalling_stages() == []


def test_a_misspelt_one_is_refused_with_the_names_there_are(settings: Settings) -> None:
    settings.STALL_SECONDS_OF_STAGES = {"extract": 60, "final lock": 60}
    (error,) = check_stalling_stages()
    assert "names unknown stages: final lock" in error.msg
    assert "backup lock" in (error.hint or "")
