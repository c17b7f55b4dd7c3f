"""The format of a repository: records in, sealed packs out, and back. Uses no database."""
