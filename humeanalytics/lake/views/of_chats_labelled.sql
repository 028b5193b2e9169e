-- One row of the view, once for each item of its chat that is not excluded (a chat has one, unless somebody gave it more), with
-- its labels as columns; a label whose key is a column already is called label_ and its key.
SELECT t.*$items$labels
FROM main.$table AS t
LEFT JOIN internal.recording_items AS l ON l.recording_id = 'chat:' || t.chat_id
