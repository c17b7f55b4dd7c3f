"""Which binlogs are archived, up to which transaction, and what does that make recoverable?"""
