"""Which transactions are archived, what did one do, and can it be reversed?"""
