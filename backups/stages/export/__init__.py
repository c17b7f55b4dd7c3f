"""The stages of an export: a backup and all that it needs become one file."""

from __future__ import annotations

from backups.stages.export.check_file import CheckFile
from backups.stages.export.read_file import ReadFile
from backups.stages.export.write_file import WriteFile

STAGES = (CheckFile(), WriteFile(), ReadFile())
