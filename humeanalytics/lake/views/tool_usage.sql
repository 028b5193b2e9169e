-- One tool (EVI): how often it was called, in how many chats, how often it answered, with an error, or not before the caller
-- spoke again (unanswered); latencies are between the events of call and answer.
WITH calls AS (
    SELECT * FROM main.tool_calls WHERE call_event_id IS NOT NULL OR called_at IS NOT NULL
), said AS (
    SELECT chat_id, timestamp AS said_at FROM main.chat_events WHERE type = 'USER_MESSAGE' AND timestamp IS NOT NULL
), followed AS (
    SELECT calls.*, said.said_at FROM calls ASOF LEFT JOIN said ON said.chat_id = calls.chat_id AND calls.called_at < said.said_at
)
SELECT name, tool_type, count(*) AS calls, count(DISTINCT chat_id) AS chats, count(response_event_id) AS answered,
    count(*) FILTER (error IS NOT NULL) AS errors,
    count(*) FILTER (response_event_id IS NULL OR responded_at > said_at) AS unanswered,
    median(latency_ms) AS median_latency_ms, max(latency_ms) AS max_latency_ms, min(called_at) AS first_at, max(called_at) AS last_at
FROM followed GROUP BY name, tool_type
