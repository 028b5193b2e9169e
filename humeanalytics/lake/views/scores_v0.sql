-- One score of one row of one model (v0): the tables face, prosody, burst, language, ner and facemesh in long form. Faces have
-- the time of their frame as begin_s and end_s. For a recording or a few: what aggregates over a lake is much faster on the
-- wide tables.
SELECT s.recording_id, s.scoring_id, '$table' AS model, s.file, s.speaker_id, s.face_id, s.begin_s, s.end_s, s.text,
    n.kind, s."column", n.name, s.score
FROM (
    UNPIVOT (
        SELECT recording_id, scoring_id, file, CAST($speaker_id AS VARCHAR) AS speaker_id, CAST($face_id AS VARCHAR) AS face_id,
            CAST($begin_s AS DOUBLE) AS begin_s, CAST($end_s AS DOUBLE) AS end_s, CAST($text AS VARCHAR) AS text,
            $columns
        FROM main.$table
    ) ON $columns INTO NAME "column" VALUE score
) AS s
JOIN internal.names AS n ON n.model = '$table' AND n."column" = s."column"
