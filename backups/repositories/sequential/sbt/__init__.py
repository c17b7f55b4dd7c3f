"""A medium behind a media manager's library, by the interface that is called SBT 2.0.

The library runs in a process of its own: it may crash, hang, end its process or install handlers
of signals, and none of that reaches a job.
"""
