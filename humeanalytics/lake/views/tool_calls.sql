-- One call of a tool and what came back (EVI), put together where call and answer were read one by one.
WITH told AS (
    SELECT t.*, coalesce('id ' || t.tool_call_id, 'call ' || t.call_event_id, 'answer ' || t.response_event_id) AS key,
        row_number() OVER (
            PARTITION BY t.chat_id ORDER BY seen_at NULLS FIRST, responded_at IS NOT NULL, t.scoring_id, t.load_id
        ) AS nth
    FROM main.tool_calls_all AS t ANTI JOIN internal.hidden_chats AS x ON x.chat_id = t.chat_id
), whole AS (
    SELECT any_value(recording_id) AS recording_id, arg_max(scoring_id, nth) AS scoring_id, arg_max(load_id, nth) AS load_id,
        chat_id, any_value(tool_call_id) AS tool_call_id, arg_max(call_event_id, nth) AS call_event_id,
        arg_max(response_event_id, nth) AS response_event_id,
        CASE WHEN arg_max(response_event_id, nth) IS NOT NULL AND arg_max(call_event_id, nth) IS NOT NULL
            THEN coalesce(arg_max(paired_by, nth), 'id') END AS paired_by,
        arg_max(name, nth) AS name, arg_max(tool_type, nth) AS tool_type, arg_max(parameters, nth) AS parameters,
        arg_max(response_required, nth) AS response_required, arg_max(called_at, nth) AS called_at,
        arg_max(responded_at, nth) AS responded_at,
        date_diff('ms', arg_max(called_at, nth), arg_max(responded_at, nth)) AS latency_ms,
        arg_max(content, nth) AS content, arg_max(error, nth) AS error, max(seen_at) AS seen_at
    FROM told GROUP BY chat_id, key
)
SELECT * FROM whole
WHERE call_event_id IS NOT NULL OR response_event_id IS NULL OR (chat_id, response_event_id) NOT IN (
    SELECT (chat_id, response_event_id) FROM whole WHERE call_event_id IS NOT NULL AND response_event_id IS NOT NULL
)
