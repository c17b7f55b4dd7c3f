"""Who may do what, who is locked out, and which changes are recorded."""
