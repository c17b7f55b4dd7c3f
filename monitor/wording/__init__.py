"""How statuses, lengths and rhythms are written on pages. Pure."""
