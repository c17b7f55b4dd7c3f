"""How a notification is delivered: its content, the outbox, connections, failed channels."""
