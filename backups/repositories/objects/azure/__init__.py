"""A repository in a container of Azure Blob Storage, by its own protocol."""
