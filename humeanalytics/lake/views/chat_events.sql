-- One event of a chat: a message, or a mark (EVI), as it was last read. Order them by timestamp, then ordinal. Those of chats
-- whose items are all excluded are left out.
SELECT t.* FROM main.chat_events_all AS t
ANTI JOIN internal.hidden_events AS h ON h.event_id = t.event_id AND h.scoring_id = t.scoring_id AND h.load_id = t.load_id
ANTI JOIN internal.hidden_chats AS x ON x.chat_id = t.chat_id
