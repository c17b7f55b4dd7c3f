"""How is an instance reached, and what does it say of itself?"""
