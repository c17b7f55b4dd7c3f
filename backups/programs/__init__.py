"""Which tools and server programs has a host, do they fit, and a private server of our own."""
