"""A recording to what an API accepts: probe now; decode, resample, split and frame for v1.

PyAV does the decoding. What must not enter: HTTP, the ledger, the lake.
"""
