-- One set of settings: what was asked for.
SELECT settings_id, max(load_id) AS load_id, max(api) AS api, max(canonical_json) AS canonical_json
FROM main.settings_all GROUP BY settings_id
