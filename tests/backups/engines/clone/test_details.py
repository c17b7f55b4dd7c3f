"""What earlier versions stored of a clone is still read."""

from __future__ import annotations

from backups.engines.clone import CloneDetails

# As the version wrote it that introduced the engine.
STORED = {
    "protocol": "0x0102",
    "server_uuid": "5b6f2bb4-0000-4000-8000-000000000001",
    "page_size": "16384",
    "gtid_executed_before": "5b6f:1-7",
    "gtid_executed_after": "5b6f:1-9",
    "pages_sent_again": "12345",
    "redo_bytes": "2097152",
    "plugins": "binlog, mysql_native_password",
    "configuration": '{"version": "9.7.4"}',
    "lower_case_table_names": "0",
    "encrypted_files": "0",
    "keyring_file": "",
    "external_files": "{}",
    "foreign_tables": "unknown",
    "saved_tables": "0",
    "spilled_bytes": "0",
}


def test_every_value_has_its_type() -> None:
    found = CloneDetails.read(STORED)
    assert (found.page_size, found.encrypted_files, found.saved_tables) == (16384, 0, 0)
    assert (found.keyring_file, found.foreign_tables) == (None, None)
    assert (found.external_files, found.configuration) == ({}, {"version": "9.7.4"})


def test_it_is_written_as_it_was_but_for_what_is_unknown() -> None:
    unknown = {"keyring_file", "foreign_tables"}
    expected = {name: text for name, text in STORED.items() if name not in unknown}
    assert CloneDetails.read(STORED).write() == expected
