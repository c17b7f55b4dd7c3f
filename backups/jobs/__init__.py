"""How is work requested, woken, explained while it waits, cancelled and repeated?"""
