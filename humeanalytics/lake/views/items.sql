-- One item: one place where a recording occurred, as it was last written.
SELECT * FROM main.items_all
QUALIFY row_number() OVER (PARTITION BY item_id ORDER BY seen_at DESC NULLS LAST, load_id DESC) = 1
