-- One conversation (EVI), with the labels of its chats as columns: where these differ, all of them, with commas between. A label
-- whose key is a column already is called label_ and its key.
SELECT t.*$labels
FROM main.conversations AS t
LEFT JOIN (
    SELECT coalesce(c.chat_group_id, c.chat_id) AS conversation_id$joined
    FROM main.chats AS c JOIN internal.recording_items AS i ON i.recording_id = c.recording_id
    GROUP BY ALL
) AS l ON l.conversation_id = t.conversation_id
