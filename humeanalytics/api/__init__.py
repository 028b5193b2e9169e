"""HTTP to Hume: byte streams and small structs in and out.

``http.py`` is the client for all APIs, and one module an API (``batch.py``, ``expression.py``, ``evi.py``) knows its paths and
parameters. Under the client: ``exchange.py`` sends one request and judges its answer (``answers.py`` words the errors),
``retry.py`` says when to repeat it, ``limiter.py`` how fast, ``bodies.py`` and ``downloads.py`` what goes out and what comes
in. What must not enter: files (callers open them), databases, Arrow, decisions about what to send.
"""
