-- One chat whose items are all excluded.
SELECT recording_id, substr(recording_id, 6) AS chat_id
FROM main.items WHERE starts_with(recording_id, 'chat:')
GROUP BY recording_id HAVING bool_and(excluded_reason IS NOT NULL)
