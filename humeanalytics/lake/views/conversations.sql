-- One conversation (EVI): a chat and all that resumed it. began_at and ended_at are those of its first and last chat (of a chat
-- that runs, or of which only events are known, by its events); length_s is the time in chats, gap_s the time between them,
-- resumes how often it was taken up again. ending is the status of its last chat; num_chats how many chats Hume counts, where
-- a list of groups was read: fewer in chats means that some were not.
WITH counted AS (
    SELECT chat_id, min(timestamp) AS first_at, max(timestamp) AS last_at,
        count(*) FILTER (type = 'USER_MESSAGE') AS caller_messages, count(*) FILTER (type = 'AGENT_MESSAGE') AS assistant_messages,
        count(*) FILTER (type = 'USER_INTERRUPTION') AS interruptions, count(*) FILTER (type = 'FUNCTION_CALL') AS tool_calls
    FROM main.chat_events GROUP BY chat_id
), spans AS (
    SELECT c.chat_id, coalesce(c.chat_group_id, c.chat_id) AS conversation_id, c.chat_group_id, c.status, c.config_id,
        c.config_version, c.custom_session_id, coalesce(c.start_timestamp, n.first_at) AS began_at,
        greatest(coalesce(c.end_timestamp, n.last_at, c.start_timestamp), began_at) AS ended_at, n.* EXCLUDE (chat_id, first_at, last_at)
    FROM main.chats AS c LEFT JOIN counted AS n ON n.chat_id = c.chat_id
), placed AS (
    SELECT *, row_number() OVER in_time AS nth, lag(ended_at) OVER in_time AS before_at,
        if(before_at IS NULL, NULL, greatest(date_diff('ms', before_at, began_at), 0) / 1000) AS before_s
    FROM spans WINDOW in_time AS (PARTITION BY conversation_id ORDER BY began_at NULLS FIRST, chat_id)
)
SELECT p.conversation_id, any_value(p.chat_group_id) AS chat_group_id, count(*) AS chats, count(*) - 1 AS resumes,
    any_value(g.num_chats) AS num_chats, min(began_at) AS began_at, max(ended_at) AS ended_at,
    sum(date_diff('ms', began_at, ended_at)) / 1000 AS length_s, coalesce(sum(before_s), 0) AS gap_s,
    max(before_s) AS longest_gap_s, arg_max_null(p.status, nth) AS ending, bool_or(p.status = 'ACTIVE') AS active,
    CAST(coalesce(sum(caller_messages), 0) AS BIGINT) AS caller_messages,
    CAST(coalesce(sum(assistant_messages), 0) AS BIGINT) AS assistant_messages,
    CAST(coalesce(sum(interruptions), 0) AS BIGINT) AS interruptions, CAST(coalesce(sum(tool_calls), 0) AS BIGINT) AS tool_calls,
    arg_max(p.custom_session_id, nth) AS custom_session_id, arg_max(p.config_id, nth) AS config_id,
    arg_max(p.config_version, nth) AS config_version, list(p.chat_id ORDER BY nth) AS chat_ids
FROM placed AS p LEFT JOIN main.chat_groups AS g ON g.chat_group_id = p.chat_group_id
GROUP BY p.conversation_id
