-- One chat: one session of somebody with an assistant (EVI). All that was ever told of it: where tellings differ, the latest
-- (what knows its status before what does not, its end before what does not: a chat that ended never goes on).
WITH told AS (
    SELECT t.*, row_number() OVER (
        PARTITION BY t.chat_id
        ORDER BY status IS NOT NULL, end_timestamp IS NOT NULL, seen_at NULLS FIRST, end_timestamp NULLS FIRST, event_count NULLS FIRST, t.events,
            t.scoring_id, t.load_id
    ) AS nth
    FROM main.chats_all AS t ANTI JOIN internal.hidden_chats AS x ON x.chat_id = t.chat_id
), again AS ( -- pages of one chat may have come one by one
    SELECT e.chat_id, count(*) AS events
    FROM main.chat_events_all AS e
    SEMI JOIN (SELECT DISTINCT chat_id FROM told WHERE nth > 1) AS s ON s.chat_id = e.chat_id
    ANTI JOIN internal.hidden_events AS h ON h.event_id = e.event_id AND h.scoring_id = e.scoring_id AND h.load_id = e.load_id
    GROUP BY e.chat_id
)
SELECT any_value(told.recording_id) AS recording_id, arg_max(told.scoring_id, nth) AS scoring_id,
    arg_max(told.load_id, nth) AS load_id, told.chat_id, arg_max(chat_group_id, nth) AS chat_group_id,
    arg_max(config_id, nth) AS config_id, arg_max(config_version, nth) AS config_version,
    arg_max(custom_session_id, nth) AS custom_session_id, arg_max(status, nth) AS status,
    arg_max(start_timestamp, nth) AS start_timestamp, arg_max(start_timestamp_raw, nth) AS start_timestamp_raw,
    arg_max(end_timestamp, nth) AS end_timestamp, arg_max(end_timestamp_raw, nth) AS end_timestamp_raw,
    arg_max(event_count, nth) AS event_count, coalesce(any_value(again.events), max(told.events)) AS events,
    CASE WHEN bool_or(form = 'history') THEN 'history' ELSE arg_max(form, nth) END AS form,
    arg_max(caller_number, nth) AS caller_number, arg_max(duration_s, nth) AS duration_s, arg_max(start_type, nth) AS start_type,
    arg_max(variables_json, nth) AS variables_json, arg_max(twilio_json, nth) AS twilio_json, arg_max(metadata, nth) AS metadata,
    max(seen_at) AS seen_at, arg_max(other_json, nth) AS other_json
FROM told LEFT JOIN again ON again.chat_id = told.chat_id
GROUP BY told.chat_id
