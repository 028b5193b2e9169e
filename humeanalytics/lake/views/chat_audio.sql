-- One chat and its reconstructed sound (EVI), as it last stood; one that was downloaded before stays so.
WITH told AS (
    SELECT t.*, row_number() OVER (
        PARTITION BY t.chat_id ORDER BY seen_at NULLS FIRST, modified_at NULLS FIRST, t.path IS NOT NULL, t.scoring_id, t.load_id
    ) AS nth
    FROM main.chat_audio_all AS t ANTI JOIN internal.hidden_chats AS x ON x.chat_id = t.chat_id
)
SELECT any_value(recording_id) AS recording_id, arg_max(scoring_id, nth) AS scoring_id, arg_max(load_id, nth) AS load_id, chat_id,
    arg_max(user_id, nth) AS user_id, arg_max(status, nth) AS status, arg_max(filename, nth) AS filename,
    arg_max(modified_at, nth) AS modified_at, arg_max(modified_at_raw, nth) AS modified_at_raw, arg_max(path, nth) AS path,
    arg_max(sha256, nth) AS sha256, arg_max(size_bytes, nth) AS size_bytes, max(seen_at) AS seen_at,
    arg_max(other_json, nth) AS other_json
FROM told GROUP BY chat_id
