"""Measurements: how Mooring compares with what a shell can do. Nothing of the product."""
