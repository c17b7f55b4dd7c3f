"""The sub-operations of a job, one module each, all the same shape."""
