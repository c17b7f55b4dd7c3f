"""The fleet's configuration as one YAML document, so that it can be kept in git."""
