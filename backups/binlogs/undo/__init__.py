"""Which statements reverse a transaction, and what cannot be reversed?"""
