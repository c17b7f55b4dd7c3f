"""What people type about alerts."""
