"""Self-contained HTML pages from frames: reports a person opens in a browser.

What must not enter: fetching, statistics, anything loaded from the network when the page is opened.
"""
