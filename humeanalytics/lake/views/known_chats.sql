-- One chat of which events are known: its group, and when the caller's sound began.
SELECT e.chat_id, c.chat_group_id, e.recording_at
FROM (
    SELECT chat_id, min(timestamp) FILTER (type = 'USER_RECORDING_START_MESSAGE') AS recording_at FROM main.chat_events GROUP BY chat_id
) AS e
LEFT JOIN main.chats AS c ON c.chat_id = e.chat_id
