"""A recording to what an API accepts: probed, decoded, resampled, split in silence, framed, packed.

PyAV does the decoding, Pillow that of photos. What must not enter: HTTP, the ledger, the lake.
"""
