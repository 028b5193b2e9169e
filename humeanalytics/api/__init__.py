"""HTTP to Hume: byte streams and small structs in and out.

One client for all APIs (``http.py``: keys, retries, rate limits, errors) and one module an API that knows its paths and
parameters. What must not enter: files (callers open them), databases, Arrow, decisions about what to send.
"""
