"""What may go, and why the rest is kept."""
