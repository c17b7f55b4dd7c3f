"""A repository in a bucket of an object store: S3, and everything that speaks it.

Data goes by ``obstore``, in parallel and without a copy on a disk; the few requests that it has no
call for go by ``botocore``. Both are imported where they are used: few processes ever need them.
"""
