-- One score that has no column of its own, because the table met more new names than it takes columns.
SELECT t.recording_id, t.scoring_id, '$table' AS model, t.file, CAST($speaker_id AS VARCHAR) AS speaker_id,
    CAST($face_id AS VARCHAR) AS face_id, CAST($begin_s AS DOUBLE) AS begin_s, CAST($end_s AS DOUBLE) AS end_s,
    CAST($text AS VARCHAR) AS text, 'other' AS kind, NULL AS "column", entry.key AS name, entry.value AS score
FROM (SELECT *, unnest(map_entries(other)) AS entry FROM main.$table) AS t
