"""When is a run planned, and what happens to each planned run?"""
