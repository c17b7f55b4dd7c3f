"""The fleet configuration as one YAML document, for version control."""
