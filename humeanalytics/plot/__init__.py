"""Pictures from frames, with matplotlib.

A function takes any frame and an ``Axes`` (or makes one) and returns the ``Axes``. What must not enter: fetching,
statistics (``analysis`` has them), ``show()``.
"""
