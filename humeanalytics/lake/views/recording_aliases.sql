-- One id by which a recording was known, and the one that stands for it in every table: that of its bytes, once its file was found.
SELECT c.recording_id AS alias_id, c.canonical_id AS recording_id, max(a.load_id) AS load_id, max(a.reason) AS reason
FROM internal.aliased AS c
JOIN (
    SELECT alias_id AS known_id, load_id, reason FROM main.recording_aliases_all
    UNION ALL SELECT recording_id, load_id, reason FROM main.recording_aliases_all
) AS a ON a.known_id = c.recording_id
WHERE c.recording_id <> c.canonical_id
GROUP BY ALL
