"""A MySQL that encrypts its own files: backed up only where its keys stay hidden."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backups.checks import Check, Verdict
from backups.instances.facts import InnodbSizes, ServerFacts
from backups.instances.grants import Grants
from backups.preflight.checks import decide_checks
from backups.preflight.survey import Survey
from tests.backups.preflight.test_clone_checks import CLONE, FACTS, GIB, MAIN, SOUND

ENCRYPTS = replace(
    FACTS, innodb=InnodbSizes(3 * GIB, 200, 2, GIB), clone=replace(CLONE, uses_tls=True)
)
LOGS = replace(FACTS, clone=replace(CLONE, encrypts_logs=True, uses_tls=True))
READABLE = replace(MAIN, name="open", encrypted=False)


def survey(facts: ServerFacts, **changes: object) -> Survey:
    return replace(SOUND, facts=facts, **changes)  # type: ignore[arg-type]


def judged(survey: Survey) -> Check:
    (check,) = [decided for decided in decide_checks(survey) if decided.name == "server encryption"]
    return check


@pytest.mark.parametrize(
    ("facts", "verdict", "words"),
    [
        (FACTS, Verdict.OK, "no tablespace is encrypted by the server"),
        (ENCRYPTS, Verdict.OK, "2 tablespaces are encrypted by the server; the backup stores"),
        (replace(ENCRYPTS, version="8.0.24"), Verdict.OK, "under its own master key"),
        (
            replace(LOGS, innodb=ENCRYPTS.innodb),
            Verdict.OK,
            "2 tablespaces are encrypted by the server, and its redo or undo log; the backup",
        ),
        (LOGS, Verdict.OK, "the server encrypts its redo or undo log; the backup"),
        (
            replace(LOGS, innodb=None),
            Verdict.OK,
            "the server encrypts its redo or undo log; the",
        ),
        (replace(FACTS, innodb=None), Verdict.UNKNOWN, "the server does not list its tablespaces"),
        (
            replace(FACTS, innodb=None, grants=Grants("bk@%")),
            Verdict.UNKNOWN,
            "PROCESS is missing",
        ),
    ],
)
def test_where_nothing_stands_in_the_way(facts: ServerFacts, verdict: Verdict, words: str) -> None:
    check = judged(survey(facts))
    assert check.verdict is verdict
    assert words in check.found


NO_TLS = replace(CLONE, uses_tls=False)


@pytest.mark.parametrize(
    ("looked", "reason", "hint"),
    [
        (
            survey(ENCRYPTS, repositories=(MAIN, READABLE)),
            "2 tablespaces are encrypted by the server: their keys would be readable in open",
            "Use an encrypted repository for this instance.",
        ),
        (
            survey(replace(ENCRYPTS, clone=NO_TLS)),
            "encrypted by the server: the connection does not use TLS",
            "Set the instance's TLS to required, and enable TLS on the server.",
        ),
        (
            survey(replace(ENCRYPTS, version="8.0.23")),
            "MySQL 8.0.23 cannot read the keyring in the backup",
            "Upgrade the instance to 8.0.24 or newer.",
        ),
        (
            survey(replace(ENCRYPTS, clone=NO_TLS), repositories=(READABLE,)),
            "not encrypted; the connection does not use TLS",
            "Use an encrypted repository for this instance. Set the instance's TLS to required",
        ),
    ],
)
def test_what_is_refused_and_what_to_do(looked: Survey, reason: str, hint: str) -> None:
    check = judged(looked)
    assert check.verdict is Verdict.FAILED
    assert reason in check.found
    assert check.hint.startswith(hint)


@pytest.mark.parametrize("facts", [FACTS, replace(FACTS, clone=NO_TLS)])
def test_what_is_not_encrypted_may_go_anywhere(facts: ServerFacts) -> None:
    assert judged(survey(facts, repositories=(READABLE,))).verdict is Verdict.OK
