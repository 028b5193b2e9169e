-- One row of the table for each item of its recording that is not excluded: a recording that two items share gives its rows
-- twice, once for each, told apart by item_id. uri and name are the item's (item_uri where the table has a uri of its own),
-- labels are columns; one whose key is a column already is called label_ and its key.
SELECT t.*$items$labels
FROM main.$table AS t
LEFT JOIN (
    SELECT recording_id AS of_recording_id, i.item_id, i.uri, i.name, l.* EXCLUDE (item_id)
    FROM internal.recording_items AS i LEFT JOIN internal.wide_labels AS l ON l.item_id = i.item_id
) AS l ON l.of_recording_id = t.recording_id
