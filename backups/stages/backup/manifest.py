"""Writes the manifest last, once all packs are durable."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

from django.conf import settings
from django.utils.timezone import now

from backups.archive.manifest import new_envelope, seal_manifest
from backups.exceptions import StageFailed
from backups.keys.load import load_keys
from backups.models import JobStage
from backups.running.run import Run
from backups.stages.backup.work import BackupWork, NewBackup
from backups.stages.base import PlainStage
from backups.stages.media import stopped_with
from backups.units import format_bytes

Made = TypeVar("Made", bound=NewBackup, contravariant=True)


class WriteManifest(PlainStage[Made]):
    name = "manifest"

    def __init__(self, describe: Callable[[Made], dict[str, Any]]) -> None:
        """``describe`` returns the ``about`` part: docs/format.md lists its fields."""
        self._describe = describe

    def run(self, run: Run, work: Made) -> str:
        if work.contents is None:
            raise StageFailed("no contents to describe: the copy stage has not run")
        key = load_keys().current if work.encrypted else None
        work.envelope = new_envelope(work.backup, work.label, work.data_key, key)
        work.about = self._describe(work)
        blob = seal_manifest(work.envelope, work.about, work.contents, work.cipher())
        for repository, store in list(work.stores):
            run.check()
            with (
                work.or_leave(run, repository),
                stopped_with(run, [store]),
                store.create(work.manifest) as upload,
            ):
                upload.write(blob)
                upload.commit()
        return format_bytes(len(blob))


def describe_server(work: BackupWork) -> dict[str, Any]:
    """Return what the manifest of a backup of a server says."""
    instance, facts = work.job.instance, work.copy_facts
    return {
        "uuid": str(work.backup),
        "label": work.label,
        "instance": {
            "uuid": str(instance.uuid),
            "name": instance.name,
            "host": instance.host,
            "port": instance.port,
            "flavour": instance.flavour,
        },
        "kind": work.kind,
        "engine": work.job.engine,
        "tables": None if work.choice is None else work.choice.write(),
        "base": work.base and {"uuid": str(work.base.uuid), "label": work.base.label},
        "started_at": work.started_at.isoformat(),
        "ended_at": now().isoformat(),
        "facts": {
            "from_lsn": facts.from_lsn,
            "to_lsn": facts.to_lsn,
            "binlog_file": facts.binlog_file,
            "binlog_position": facts.binlog_position,
            "gtid_executed": facts.gtid_executed,
            "server_version": facts.server_version,
            "tool_version": facts.tool_version,
            "lock_time_s": _seconds(facts.lock_time),
            "more": facts.details.write(),
        },
        "server": work.server_settings.as_json(),
        "pace": {} if work.pace is None else work.pace.write(),
        **describe_writing(work),
    }


def describe_writing(work: NewBackup) -> dict[str, Any]:
    """Return what the manifest says of how it came to be."""
    return {
        "stages": [_describe_stage(stage) for stage in work.job.stages.exclude(started_at=None)],
        "compression": f"zstd {settings.COMPRESSION_LEVEL}",
        "written_by": f"mooring {settings.VERSION}",
    }


def _describe_stage(stage: JobStage) -> dict[str, Any]:
    return {
        "name": stage.name,
        "started_at": stage.started_at.isoformat() if stage.started_at else None,
        "ended_at": stage.ended_at.isoformat() if stage.ended_at else None,
        "lock_time_s": _seconds(stage.lock_time),
    }


def _seconds(length: timedelta | None) -> float | None:
    return None if length is None else length.total_seconds()
