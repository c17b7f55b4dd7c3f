"""How do archived binlogs reach a server that replays them? Mooring is its replication source.

The replica reads exactly the bytes it is served: the replay stops where nothing more is sent, and
a transaction is skipped by leaving it out.
"""
