"""How statuses, lengths, rhythms and manual restores are worded on pages."""
