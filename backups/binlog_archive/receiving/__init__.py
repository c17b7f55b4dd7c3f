"""How do the binlogs of a source get here: who receives, from where on, and what do breaks mean?"""
