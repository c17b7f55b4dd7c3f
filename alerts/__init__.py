"""The messenger: what is wrong, since when, and who has been told."""
