-- One row of the table for each item of its recording that is not excluded: a recording that two items share gives its rows
-- twice, once for each, told apart by item_id. uri and name are the item's (item_uri where the table has a uri of its own),
-- labels are columns; one whose key is a column already is called label_ and its key. Where the lake has subjects and segments,
-- role and participant say who it is (a label participant holds where no subject does), segment in which phase it lies.
SELECT t.*$items$more$labels
FROM main.$table AS t
LEFT JOIN internal.recording_items AS l ON l.recording_id = t.recording_id$joins
