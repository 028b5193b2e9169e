-- One group of chats: a chat and all that resumed it (EVI). All that was ever told of it: where tellings differ, the latest.
WITH told AS (
    SELECT *, row_number() OVER (
        PARTITION BY chat_group_id
        ORDER BY seen_at NULLS FIRST, most_recent_start_timestamp NULLS FIRST, num_chats NULLS FIRST, load_id
    ) AS nth
    FROM main.chat_groups_all
)
SELECT chat_group_id, arg_max(load_id, nth) AS load_id, arg_max(first_start_timestamp, nth) AS first_start_timestamp,
    arg_max(first_start_timestamp_raw, nth) AS first_start_timestamp_raw,
    arg_max(most_recent_start_timestamp, nth) AS most_recent_start_timestamp,
    arg_max(most_recent_start_timestamp_raw, nth) AS most_recent_start_timestamp_raw, arg_max(num_chats, nth) AS num_chats,
    arg_max(most_recent_chat_id, nth) AS most_recent_chat_id, arg_max(most_recent_config_id, nth) AS most_recent_config_id,
    arg_max(most_recent_config_version, nth) AS most_recent_config_version, arg_max(active, nth) AS active,
    max(seen_at) AS seen_at, arg_max(other_json, nth) AS other_json
FROM told GROUP BY chat_group_id
