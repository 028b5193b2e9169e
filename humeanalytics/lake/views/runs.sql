-- One call of a verb, as it was last written.
SELECT * FROM main.runs_all
QUALIFY row_number() OVER (PARTITION BY run_id ORDER BY ended_at DESC NULLS LAST, load_id DESC) = 1
