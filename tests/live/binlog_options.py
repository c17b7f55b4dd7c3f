"""Options of servers whose binary log is compressed or encrypted."""

from __future__ import annotations

from pathlib import Path

from tests.live.keyring import keyring_folder
from tests.live.mariadb_plugins import plugin_folder

COMPRESSED = {
    "mariadb": {"log_bin_compress": "ON", "log_bin_compress_min_len": "10"},
    "mysql": {"binlog_transaction_compression": "ON"},
}


def encrypting(folder: Path, flavour: str) -> dict[str, str]:
    """Return the options of a server that encrypts its binary log."""
    if flavour == "mysql":
        keyring_folder(folder / "data", folder / "keyring", log_bin="binlog")
        return {"binlog_encryption": "ON"}
    keys = folder / "keys"
    keys.write_text(f"1;{'a7' * 32}\n")
    return {
        "plugin_dir": str(plugin_folder()),
        "plugin_load_add": "file_key_management",
        "file_key_management_filename": str(keys),
        "encrypt_binlog": "ON",
    }
