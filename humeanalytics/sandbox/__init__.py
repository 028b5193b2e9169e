"""Hume, emulated: a real HTTP server that follows the contracts.

It imports nothing of the toolkit but ``vocabulary`` and ``settings``, so that one misreading of a contract cannot hide on
both sides. What is marked as a guess in the contracts is an option here.

``embedded`` runs it in a process, ``serving`` as a process; ``app`` puts it together; ``gateway`` is the door, where
``faults`` strike; ``control`` is for tests. ``media``, ``speech``, ``transcripts``, ``words``, ``faces`` and ``scores`` look at
what comes in. Each API has a room of its own: ``batch`` (v0), ``expression`` (v1) and
``evi`` (chat history).
"""
