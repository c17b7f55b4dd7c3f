"""How does Mooring receive binary logs? As a replica does, into files identical to the source's."""
