"""What of a row of evidence is hashed, and how?

Only what never changes: names that people can change are left out. ``scripts/verify_evidence.py``
hashes exported content in the same way.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from backups.models import Drill, Evidence, Rehearsal

EvidenceRow = Evidence | Drill | Rehearsal


def content_of(row: EvidenceRow) -> dict[str, Any]:
    """Return the content of a row as plain JSON. Any: whatever its report has."""
    if isinstance(row, Evidence):
        content = _of_evidence(row)
    elif isinstance(row, Drill):
        content = _of_drill(row)
    else:
        content = _of_rehearsal(row)
    backup = row.copy.backup
    about = {
        "backup": str(backup.uuid),
        "label": backup.label,
        "copy": row.copy_id,
        "job": row.job_id,
        "passed": row.passed,
        "at": _moment(row.created_at),
    }
    plain: dict[str, Any] = json.loads(json.dumps(about | content))
    return {name: _plain(value) for name, value in plain.items()}


def digest_of(content: Mapping[str, Any]) -> str:
    """Return the SHA-256 of content as its one JSON text, in hexadecimal."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def digest_of_link(chain: str, number: int, content_digest: str, previous: str) -> str:
    """Return the digest of a link; ``chain`` is the UUID of its instance."""
    return digest_of(
        {"chain": chain, "number": number, "content": content_digest, "previous": previous}
    )


def _of_evidence(row: Evidence) -> dict[str, object]:
    return {
        "kind": row.operation,
        "manifest_digest": row.manifest_digest,
        "recovery_us": _microseconds(row.recovery_time),
        "report": row.report,
    }


def _of_drill(row: Drill) -> dict[str, object]:
    return {
        "kind": "drill",
        "point": row.point,
        "moment": _moment(row.moment),
        "range_from": _moment(row.range_from),
        "range_to": _moment(row.range_to),
        "failed_stage": row.failed_stage,
        "error": row.error,
        "last_commit_at": _moment(row.last_commit_at),
        "last_gtid": row.last_gtid,
        "file": row.file,
        "position": row.position,
        "transactions": row.transactions,
        "replayed_bytes": row.replayed_bytes,
        "replay_us": _microseconds(row.replay_time),
        "recovery_us": _microseconds(row.recovery_time),
        "stages": row.stages,
    }


def _of_rehearsal(row: Rehearsal) -> dict[str, object]:
    return {
        "kind": "rehearsal",
        "manifest_digest": row.manifest_digest,
        "origin": row.origin,
        "upgraded_to": row.upgraded_to,
        "program": row.program,
        "failed_stage": row.failed_stage,
        "error": row.error,
        "took_us": _microseconds(row.took),
        "stages": row.stages,
        "report": row.report,
    }


def _moment(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat() if moment is not None else None


def _microseconds(length: timedelta | None) -> int | None:
    return length // timedelta(microseconds=1) if length is not None else None


def _plain(value: Any) -> Any:
    """Return a whole float as an int: PostgreSQL does not keep them apart.

    Any: JSON.
    """
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value
