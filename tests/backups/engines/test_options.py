"""What can be asked of mariadb-backup, and what is no request at all?"""

from __future__ import annotations

from typing import Any

import pytest

from backups.engines.mariadb_backup.options import MariadbOptions, parse_age
from backups.exceptions import BadInput
from backups.typed_json import read_fields, write_fields


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1800), ("2h", 7200), ("1d", 86_400), (" 45 ", 45)]
)
def test_an_age_is_entered_with_its_unit(text: str, seconds: int) -> None:
    assert parse_age(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "1w", "-1h", "1.5h", "1h30m", "٣h"])
def test_anything_else_is_no_age(text: str) -> None:
    with pytest.raises(BadInput, match="is no age"):
        parse_age(text)


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"optimistic": True, "optimistic_seconds": 0}, "optimistic_seconds is 0"),
        # A write may still be under way.
        ({"optimistic": True, "optimistic_seconds": 59}, "optimistic_seconds is 59: 60 to"),
        ({"optimistic": True, "optimistic_seconds": 10**11}, "optimistic_seconds is"),
        ({"optimistic": True, "optimistic_busy_tables": "orders"}, "is no pattern of tables"),
        ({"optimistic": True, "optimistic_busy_tables": "a.b c"}, "'c' is no pattern"),
        ({"optimistic_seconds": 60}, "the backup is not optimistic"),
        ({"optimistic_busy_tables": "shop.*"}, "the backup is not optimistic"),
        ({"optimistic": True, "lock_wait_seconds": 0}, "lock_wait_seconds is 0"),
        ({"optimistic": True, "include": ("shop.*",)}, "a partial backup cannot be optimistic"),
        ({"incremental": True}, "only a backup of chosen tables has the option incremental"),
    ],
)
def test_what_contradicts_itself_is_refused(asked: dict[str, Any], why: str) -> None:
    with pytest.raises(BadInput, match=why):
        read_fields(MariadbOptions, asked)


def test_options_come_back_as_they_were_stored() -> None:
    asked = MariadbOptions(
        optimistic=True, optimistic_seconds=60, optimistic_busy_tables="shop.* log.x"
    )
    assert read_fields(MariadbOptions, write_fields(asked)) == asked
    assert asked.busy_patterns == ("shop.*", "log.x")
    assert (asked.age_seconds, MariadbOptions(optimistic=True).age_seconds) == (60, 3600)


def test_only_an_optimistic_copy_has_a_stage_for_quiet_tables() -> None:
    assert MariadbOptions().skipped_stages == {"quiet tables"}
    assert MariadbOptions(optimistic=True).skipped_stages == frozenset()
