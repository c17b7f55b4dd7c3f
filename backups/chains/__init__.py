"""Which backup does a new one go on from, and may it?"""
