-- One answer of Hume's as it is kept under raw/, as it first came.
SELECT * FROM main.responses_all
QUALIFY row_number() OVER (PARTITION BY response_id ORDER BY received_at NULLS LAST, load_id, uri) = 1
