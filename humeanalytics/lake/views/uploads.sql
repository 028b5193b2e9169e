-- One request to v1 that was measured, refused or lost, as it was last written.
SELECT * FROM main.uploads_all
QUALIFY row_number() OVER (PARTITION BY upload_id ORDER BY noted_at DESC NULLS LAST, load_id DESC) = 1
