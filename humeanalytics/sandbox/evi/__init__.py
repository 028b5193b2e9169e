"""EVI: the chat history of voice conversations, with their configs, audio and webhooks.

``talk.toml`` has what is said; ``fleet`` plans who talks when, ``conversation`` plays a chat, ``events`` writes it as the API
does. All of that follows from seed and clock alone and is made when it is asked for; what a test adds, changes or deletes is in
``store``. ``history`` puts both together, ``operations`` answers, ``control`` is for tests. ``catalogue`` has configs, prompts
and tools; ``audio``, ``tokens`` and ``webhooks`` do what their names say.
"""
