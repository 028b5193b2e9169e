-- One message of a chat (EVI): who said what when, with the three strongest expressions of their voice and all of them. Order by
-- chat_id, timestamp, ordinal. speaker is caller (whoever is on the user's side of the line) or assistant, and the scores are of
-- that one's voice: never average the two together. expressions_from says where the scores stood: message, or for the assistant
-- assistant_prosody, an event of its own; null where there are none, as for text that was typed.
WITH prosody AS NOT MATERIALIZED (
    SELECT chat_id, related_event_id, $latest
    FROM main.chat_events WHERE type = 'ASSISTANT_PROSODY' AND related_event_id IS NOT NULL $a_message
), scored AS NOT MATERIALIZED (
    SELECT k.chat_group_id, e.chat_id, e.event_id, e.ordinal, e.timestamp, e.role,
        if(e.type = 'USER_MESSAGE', 'caller', 'assistant') AS speaker, e.message_text, e.begin_ms, e.end_ms,
        CASE WHEN e.type = 'AGENT_MESSAGE' AND coalesce($of_prosody) IS NOT NULL THEN 'assistant_prosody'
            WHEN coalesce($own) IS NOT NULL THEN 'message' END AS expressions_from,
        $coalesced
    FROM main.chat_events AS e
    JOIN internal.known_chats AS k ON k.chat_id = e.chat_id
    LEFT JOIN prosody AS p ON p.chat_id = e.chat_id AND p.related_event_id = e.event_id
    WHERE e.type IN ('USER_MESSAGE', 'AGENT_MESSAGE')
), ranked AS NOT MATERIALIZED ($ranked_scored)
SELECT chat_group_id, chat_id, event_id, ordinal, timestamp, role, speaker, message_text,
    $strongest, expressions_from, begin_ms, end_ms,
    $columns
FROM ranked
