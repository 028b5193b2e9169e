"""HTTP from Hume: a small server that takes webhooks of EVI and callbacks of v0 jobs, and refuses all else.

It checks and hands on what it took; whoever runs it says what that means. It opens no file and knows no database and no lake.
"""
