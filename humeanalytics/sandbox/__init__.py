"""Hume, emulated: a real HTTP server that follows the contracts.

It imports nothing of the toolkit but ``vocabulary`` and ``settings``, so that one misreading of a contract cannot hide on
both sides. What is marked as a guess in the contracts is an option here.
"""
