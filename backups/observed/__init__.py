"""Backups that other tools took: read from their history tables into rows."""
