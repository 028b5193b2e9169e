-- One item that is not excluded, under each id its recording is known by, with its labels.
WITH known AS (
    SELECT i.recording_id, i.item_id, i.uri, i.name, coalesce(same.canonical_id, i.recording_id) AS canonical_id
    FROM main.items AS i LEFT JOIN internal.aliased AS same ON same.recording_id = i.recording_id
    WHERE i.excluded_reason IS NULL
)
SELECT ids.*, l.* EXCLUDE (item_id)
FROM (
    SELECT recording_id, item_id, uri, name FROM known
    UNION
    SELECT same.recording_id, item_id, uri, name FROM known JOIN internal.aliased AS same USING (canonical_id)
) AS ids
LEFT JOIN internal.wide_labels AS l ON l.item_id = ids.item_id
