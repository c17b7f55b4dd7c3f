"""How is an instance reached, and which facts does it report?"""
