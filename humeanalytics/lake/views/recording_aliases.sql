-- One tie between an id that was all that was known and the recording it turned out to be.
SELECT alias_id, recording_id, max(load_id) AS load_id, max(reason) AS reason
FROM main.recording_aliases_all GROUP BY alias_id, recording_id
