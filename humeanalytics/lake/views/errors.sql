-- One thing that Hume or the flattener could not do.
SELECT * FROM main.errors_all
QUALIFY row_number() OVER (PARTITION BY error_id ORDER BY happened_at DESC NULLS LAST, load_id DESC) = 1
