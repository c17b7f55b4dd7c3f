"""What does a restore of tables leave behind where it was killed, and how is that removed?

In an instance: tables with a temporary name, and files of such in its folder. A table that has its
own name is whole, and stays.
"""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

from backups.instances.connection import connect, login_of
from backups.instances.data_folder import data_folders_here
from backups.instances.facts import probe
from backups.models import Instance
from backups.parameters import RestoreTableParameters
from backups.repositories.exported.writer import remove_unfinished
from backups.restores.target import release_folder
from backups.table_names.names import TableName
from backups.table_restores.files import remove_files
from backups.table_restores.request import new_names
from backups.table_restores.target import drop_temporaries, temporary_name

_TOKEN = re.compile(r"[0-9a-f]{8}")


def remove_unfinished_tables(asked: RestoreTableParameters, job_id: int) -> bool:
    """Remove it; False if nothing was here, and something may be on another host.

    InstanceUnreachable where an instance cannot be asked: tried again later.
    """
    if asked.to_folder is not None:
        return release_folder(Path(asked.to_folder), job_id)
    if asked.sql_file is not None:
        return remove_unfinished(Path(asked.sql_file), job_id)
    instance = Instance.objects.filter(name=asked.to_instance).first()
    if instance is None or not _TOKEN.fullmatch(asked.token):
        return True
    schemas = sorted({name.schema for name in new_names(asked).values()})
    drop_temporaries(instance, schemas, asked.token)
    _remove_files(instance, asked, schemas)
    return True


def _remove_files(instance: Instance, asked: RestoreTableParameters, schemas: list[str]) -> None:
    with closing(connect(login_of(instance))) as connection:
        folders = data_folders_here(instance, probe(connection))
    for folder in folders[:1]:
        for schema in schemas:
            for number in range(1, len(new_names(asked)) + 1):
                table: TableName = temporary_name(schema, asked.token, number)
                remove_files(Path(folder), schema, table.name)
