"""How do the commands say what retention decides about a backup?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from backups.models import Backup
from backups.retention.verdicts import JudgedCopy, judge_copies


def verdict_word(judged: JudgedCopy) -> str:
    """Return the verdict in a few words, without the reasons."""
    verdict = judged.verdict
    if judged.mark is not None:
        return f"marked: deleted from {judged.mark.due_at:%Y-%m-%d %H:%M}Z"
    if verdict.may_go:
        return "expired"
    if verdict.blocked:
        return "kept for now"
    return f"kept until {verdict.until:%Y-%m-%d %H:%M}Z" if verdict.until else "kept"


def retention_fields(judged: JudgedCopy) -> dict[str, object]:
    """Return what the JSON of a command says about a copy."""
    verdict = judged.verdict
    return {
        "repository": judged.copy.repository,
        "verdict": "marked" if judged.mark else "expired" if verdict.may_go else "kept",
        "expires_at": verdict.until,
        "deleted_from": judged.mark.due_at if judged.mark else None,
        "reasons": list(verdict.reasons),
    }


def judge_backups(backups: Iterable[Backup], now: datetime) -> dict[int, list[JudgedCopy]]:
    """Map the id of each backup with stored copies to their verdicts."""
    instances = {backup.instance_id for backup in backups}
    judgements: dict[int, list[JudgedCopy]] = {}
    for judged in judge_copies(now, instances) if instances else ():
        judgements.setdefault(judged.copy.backup_id, []).append(judged)
    return judgements


def retention_words(judged: Sequence[JudgedCopy], *, brief: bool = False) -> str:
    """Return verdict and reasons of a backup's copies; once where all have the same."""
    words = {judgement.copy.repository: _words(judgement, brief=brief) for judgement in judged}
    if len(set(words.values())) <= 1:
        return next(iter(words.values()), "")
    return "; ".join(f"in {repository}: {text}" for repository, text in sorted(words.items()))


def _words(judged: JudgedCopy, *, brief: bool) -> str:
    verdict, word = judged.verdict, verdict_word(judged)
    if brief and (judged.mark or verdict.may_go or verdict.until):
        return word
    if judged.mark is not None:
        return f"{word}, {judged.mark.by}"
    return f"{word}: {verdict.reasons[0] if brief else verdict.reason}"
