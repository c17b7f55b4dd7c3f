"""Who may write a status, and what a claim needs first. Nothing else writes one."""
