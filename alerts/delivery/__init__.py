"""How a notification leaves: what it says, the outbox, connections, and channels that fail."""
