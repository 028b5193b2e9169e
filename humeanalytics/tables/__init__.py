"""Raw byte streams to Arrow tables, and what each table is (``schema.py``).

Pure: the same bytes give the same rows. What must not enter: network, disk, clock, the lake's ids of loads.
"""
