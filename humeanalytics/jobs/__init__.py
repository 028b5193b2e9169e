"""Orchestration: the ledger decides, the flows act.

``ledger.py`` is the only module that knows the SQLite file; a flow (scoring by one API, exporting, ingesting) asks it what
to do next, does it, and writes down what came of it. What must not enter: SQL over results, statistics, printing.
"""
