"""Questions over tables: frames in, frames out.

Pure functions, one question each. What must not enter: files, network, the lake, drawing.
"""
