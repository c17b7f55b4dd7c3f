"""What can be shown to an auditor of a month: planned, taken, proven, changed, and signed?

A folder of files that stand alone: ``scripts/verify_evidence.py`` checks it without Mooring.
"""

from __future__ import annotations
