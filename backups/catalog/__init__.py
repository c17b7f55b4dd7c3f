"""The catalog of stored backups: their rows, copies, contents and evidence."""
