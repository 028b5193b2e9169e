-- One item, with its labels as columns. A label whose key is also a column of items is called label_ and its key.
SELECT t.*$labels FROM main.items AS t LEFT JOIN internal.wide_labels AS l ON l.item_id = t.item_id
