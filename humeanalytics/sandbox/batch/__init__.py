"""Expression Measurement v0 batch, emulated: requests, the queue of jobs, predictions, artifacts, callbacks.

What must not enter: anything about v1 or EVI, and anything of the toolkit's own side of the wire.
"""
