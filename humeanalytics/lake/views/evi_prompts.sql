-- One version of one prompt (EVI), as it was last read.
SELECT * FROM main.evi_prompts_all
QUALIFY row_number() OVER (
    PARTITION BY prompt_id, version ORDER BY seen_at DESC NULLS LAST, modified_on DESC NULLS LAST, load_id DESC
) = 1
