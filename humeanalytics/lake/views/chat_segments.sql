-- One stretch of speech within a message of the user (EVI), as it was last read.
SELECT t.* FROM main.chat_segments_all AS t
ANTI JOIN internal.hidden_events AS h ON h.event_id = t.event_id AND h.scoring_id = t.scoring_id AND h.load_id = t.load_id
ANTI JOIN internal.hidden_chats AS x ON x.chat_id = t.chat_id
