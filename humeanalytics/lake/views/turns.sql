-- One turn of a chat (EVI): what one side said until the other spoke. A new one also begins after an interruption, a pause, a
-- resumption. Order by chat_id, turn. speaker is caller or assistant, and the scores are means over the messages of the turn that
-- have any, of that one's voice only. text_latency_ms: from the caller's last text to the assistant's first; it leaves out the
-- silence that ends a turn and the making of sound. felt_latency_ms: from where the caller's speech ends, which is known only where
-- USER_RECORDING_START_MESSAGE is. A greeting (what the assistant says before the caller has said anything) answers nothing and
-- has neither. interrupted: the caller broke in before anybody's next message.
WITH prosody AS NOT MATERIALIZED (
    SELECT chat_id, related_event_id, $latest
    FROM main.chat_events WHERE type = 'ASSISTANT_PROSODY' AND related_event_id IS NOT NULL $a_message
), marks AS NOT MATERIALIZED ( -- scores go along from here on: where none is asked for, DuckDB leaves them out of every step
    SELECT e.chat_id, e.event_id, e.ordinal, e.timestamp, e.type, e.message_text, e.end_ms,
        CASE e.type WHEN 'USER_MESSAGE' THEN 'caller' WHEN 'AGENT_MESSAGE' THEN 'assistant' END AS speaker, $coalesced
    FROM main.chat_events AS e
    LEFT JOIN prosody AS p ON p.chat_id = e.chat_id AND p.related_event_id = e.event_id
    WHERE e.type IN ('USER_MESSAGE', 'AGENT_MESSAGE', 'USER_INTERRUPTION', 'PAUSE_ONSET', 'RESUME_ONSET')
), edges AS NOT MATERIALIZED ( -- a number sorts faster than an id, and is as good where all else is equal
    SELECT *, speaker IS NOT NULL AND speaker IS DISTINCT FROM lag(speaker) OVER in_chat AS begins, row_number() OVER in_chat AS nth
    FROM marks WINDOW in_chat AS (PARTITION BY chat_id ORDER BY timestamp, ordinal, hash(event_id))
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
        list({'nth': nth, 'text': message_text}) FILTER (speaker IS NOT NULL AND message_text IS NOT NULL) AS texts,
        arg_max_null(end_ms, nth) FILTER (speaker IS NOT NULL) AS last_end_ms,
        count(coalesce($columns)) FILTER (speaker IS NOT NULL) AS scored_messages, $means
    FROM placed WHERE turn > 0 GROUP BY chat_id, turn
), answering AS NOT MATERIALIZED (
    SELECT *, lag(speaker) OVER in_chat AS before, lag(last_at) OVER in_chat AS before_at, lag(last_end_ms) OVER in_chat AS before_end_ms,
        coalesce(bool_or(speaker = 'caller') OVER (PARTITION BY chat_id ORDER BY turn ROWS UNBOUNDED PRECEDING), false) AS heard
    FROM turns WINDOW in_chat AS (PARTITION BY chat_id ORDER BY turn)
), ranked AS NOT MATERIALIZED ($ranked_answering)
SELECT k.chat_group_id, t.chat_id, t.turn, t.speaker, t.first_at, t.last_at, t.messages,
    array_to_string(list_transform(list_sort(t.texts), lambda each: each.text), ' ') AS text,
    t.speaker = 'assistant' AND NOT t.heard AS greeting, t.speaker = 'assistant' AND t.broken_off AS interrupted,
    CASE WHEN t.speaker = 'assistant' AND t.before = 'caller' THEN date_diff('ms', t.before_at, t.first_at) END AS text_latency_ms,
    CASE WHEN t.speaker = 'assistant' AND t.before = 'caller'
        THEN date_diff('ms', k.recording_at, t.first_at) - t.before_end_ms END AS felt_latency_ms,
    $strongest, t.scored_messages, t.first_event_id, t.last_event_id,
    $columns
FROM ranked AS t
JOIN internal.known_chats AS k ON k.chat_id = t.chat_id
