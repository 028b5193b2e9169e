-- One label that holds for one item: the newest value of its key. An empty value takes the label away.
SELECT * FROM (
    SELECT * FROM main.labels_all
    QUALIFY row_number() OVER (PARTITION BY item_id, key ORDER BY set_at DESC NULLS LAST, load_id DESC, value DESC) = 1
) WHERE value <> ''
