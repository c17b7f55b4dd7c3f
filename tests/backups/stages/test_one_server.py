"""Is a copy believed to be of the server that was connected to?"""

from __future__ import annotations

import pytest

from backups.engines.base import CopyFacts
from backups.engines.mariadb_backup.metadata import MariadbDetails
from backups.exceptions import EngineError
from backups.stages.backup.one_server import refuse_another_source


def reaching(lsn: int | None) -> CopyFacts:
    return CopyFacts(details=MariadbDetails(last_lsn=lsn))


@pytest.mark.parametrize("lsn", [100, 150, 200])
def test_a_copy_between_both_is_of_the_server(lsn: int) -> None:
    refuse_another_source(reaching(lsn), 100, 200)


@pytest.mark.parametrize("lsn", [None, 99, 201])
def test_any_other_is_refused(lsn: int | None) -> None:
    with pytest.raises(EngineError, match="another server") as caught:
        refuse_another_source(reaching(lsn), 100, 200)
    assert "own host" in caught.value.hint
