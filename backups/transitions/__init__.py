"""The only modules that write a status, and the limits that a claim must pass."""
