"""Where responses and tables live: the raw store, Delta Lake commits, the DuckDB catalog.

What must not enter: HTTP, decisions about what to score, parsing of answers.
"""
