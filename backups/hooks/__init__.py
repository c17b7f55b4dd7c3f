"""Which commands and statements does this host run around jobs, and how did they end?"""
