-- One request to v1 that was measured, refused or lost, as it was last written. Of a run that is known from a saved answer too,
-- what was noted when it was sent holds.
SELECT * FROM (
    SELECT * FROM main.uploads_all
    QUALIFY row_number() OVER (PARTITION BY upload_id ORDER BY noted_at DESC NULLS LAST, load_id DESC) = 1
)
QUALIFY origin IS DISTINCT FROM 'saved' OR row_number() OVER (
    PARTITION BY coalesce(hume_run_id, upload_id) ORDER BY origin IS NOT DISTINCT FROM 'saved', upload_id
) = 1
