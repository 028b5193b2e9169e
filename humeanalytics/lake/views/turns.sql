-- One turn of a chat (EVI): what one side said until the other spoke. A new one also begins after an interruption, a pause, a
-- resumption. Order by chat_id, turn. speaker is caller or assistant, and the scores are means over the messages of the turn that
-- have any, of that one's voice only. text_latency_ms: from the caller's last text to the assistant's first; it leaves out the
-- silence that ends a turn and the making of sound. felt_latency_ms: from where the caller's speech ends, which is known only where
-- USER_RECORDING_START_MESSAGE is. A greeting (what the assistant says before the caller has said anything) answers nothing and
-- has neither. interrupted: the caller broke in before anybody's next message.
WITH prosody AS NOT MATERIALIZED (
    SELECT chat_id, related_event_id, $latest
    FROM main.chat_events
    WHERE type = 'ASSISTANT_PROSODY' AND related_event_id IS NOT NULL AND coalesce($columns) IS NOT NULL
    GROUP BY chat_id, related_event_id
), marks AS NOT MATERIALIZED (
    SELECT chat_id, event_id, ordinal, timestamp, type, message_text, end_ms,
        CASE type WHEN 'USER_MESSAGE' THEN 'caller' WHEN 'AGENT_MESSAGE' THEN 'assistant' END AS speaker
    FROM main.chat_events
    WHERE type IN ('USER_MESSAGE', 'AGENT_MESSAGE', 'USER_INTERRUPTION', 'PAUSE_ONSET', 'RESUME_ONSET')
), edges AS NOT MATERIALIZED (
    SELECT *, speaker IS NOT NULL AND speaker IS DISTINCT FROM lag(speaker) OVER in_chat AS begins, row_number() OVER in_chat AS nth
    FROM marks WINDOW in_chat AS (PARTITION BY chat_id ORDER BY timestamp, ordinal, event_id)
), placed AS NOT MATERIALIZED ( -- a mark counts to the turn before it
    SELECT *, CAST(sum(CAST(begins AS INTEGER)) OVER (
        PARTITION BY chat_id ORDER BY nth ROWS UNBOUNDED PRECEDING
    ) AS BIGINT) AS turn
    FROM edges
), turns AS NOT MATERIALIZED (
    SELECT chat_id, turn, any_value(speaker) AS speaker, min(timestamp) FILTER (speaker IS NOT NULL) AS first_at,
        max(timestamp) FILTER (speaker IS NOT NULL) AS last_at, count(speaker) AS messages,
        bool_or(type = 'USER_INTERRUPTION') AS broken_off, arg_min(event_id, nth) AS first_event_id,
        arg_max(event_id, nth) FILTER (speaker IS NOT NULL) AS last_event_id,
        string_agg(message_text, ' ' ORDER BY nth) FILTER (speaker IS NOT NULL) AS text,
        arg_max_null(end_ms, nth) FILTER (speaker IS NOT NULL) AS last_end_ms
    FROM placed WHERE turn > 0 GROUP BY chat_id, turn
), answering AS NOT MATERIALIZED (
    SELECT *, lag(speaker) OVER in_chat AS before, lag(last_at) OVER in_chat AS before_at, lag(last_end_ms) OVER in_chat AS before_end_ms,
        coalesce(bool_or(speaker = 'caller') OVER (PARTITION BY chat_id ORDER BY turn ROWS UNBOUNDED PRECEDING), false) AS heard
    FROM turns WINDOW in_chat AS (PARTITION BY chat_id ORDER BY turn)
), begun AS NOT MATERIALIZED (
    SELECT chat_id, min(timestamp) FILTER (type = 'USER_RECORDING_START_MESSAGE') AS recording_at FROM main.chat_events GROUP BY chat_id
), known AS NOT MATERIALIZED ( -- joined to turns as whole rows are: a chain of left joins would have DuckDB work out unused scores
    SELECT b.chat_id, b.recording_at, c.chat_group_id FROM begun AS b LEFT JOIN main.chats AS c ON c.chat_id = b.chat_id
), means AS NOT MATERIALIZED (
    SELECT m.chat_id, m.turn, count(coalesce($coalesced_only)) AS scored_messages, $means
    FROM placed AS m
    JOIN main.chat_events AS e ON e.chat_id = m.chat_id AND e.event_id = m.event_id
    LEFT JOIN prosody AS p ON p.chat_id = e.chat_id AND p.related_event_id = e.event_id
    WHERE m.speaker IS NOT NULL GROUP BY m.chat_id, m.turn
)
-- The scores are joined last and ranked above the join: so they cost nothing where no expression is asked for.
SELECT k.chat_group_id, t.chat_id, t.turn, t.speaker, t.first_at, t.last_at, t.messages, t.text,
    t.speaker = 'assistant' AND NOT t.heard AS greeting, t.speaker = 'assistant' AND t.broken_off AS interrupted,
    CASE WHEN t.speaker = 'assistant' AND t.before = 'caller' THEN date_diff('ms', t.before_at, t.first_at) END AS text_latency_ms,
    CASE WHEN t.speaker = 'assistant' AND t.before = 'caller'
        THEN date_diff('ms', k.recording_at, t.first_at) - t.before_end_ms END AS felt_latency_ms,
    $strongest, s.scored_messages, t.first_event_id, t.last_event_id,
    $columns
FROM answering AS t
JOIN known AS k ON k.chat_id = t.chat_id
LEFT JOIN means AS s ON s.chat_id = t.chat_id AND s.turn = t.turn
