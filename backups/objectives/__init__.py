"""How much may be lost and how long may a recovery take, of each instance, and is it so?"""
