"""A repository in a bucket of Google Cloud Storage, by its own protocol."""
