"""What is planned, and what becomes of each planned run."""
