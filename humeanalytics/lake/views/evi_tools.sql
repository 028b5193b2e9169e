-- One version of one tool (EVI), as it was last read.
SELECT * FROM main.evi_tools_all
QUALIFY row_number() OVER (
    PARTITION BY tool_id, version ORDER BY seen_at DESC NULLS LAST, modified_on DESC NULLS LAST, load_id DESC
) = 1
