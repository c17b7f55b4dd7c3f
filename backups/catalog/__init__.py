"""What is known of stored backups: their rows, copies, contents, and the evidence for them."""
