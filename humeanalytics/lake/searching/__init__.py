"""Full-text search over what was said in chats: words of a text, an index that follows the lake, and what it finds.

The index is a cache: whatever it holds stands in the tables too, and it is made again whenever it is gone, broken or of another
version. What must not enter: anything that decides which messages are to be seen; that is the catalog's.
"""
