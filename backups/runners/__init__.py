"""How a command reaches the host of an instance."""
