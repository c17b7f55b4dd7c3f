"""One backup and all that it needs in a single file, read as a repository that nobody writes to."""
