-- One transcript, or list of speaker turns, of one recording: the newest reading of each file, and of files with the same bytes
-- one. Those of recordings whose items are all excluded are left out.
WITH newest AS (
    SELECT * FROM main.word_sources_all
    QUALIFY rank() OVER (PARTITION BY uri ORDER BY read_at DESC NULLS LAST, load_id DESC) = 1
), excluded AS (
    SELECT coalesce(same.canonical_id, i.recording_id) AS canonical_id
    FROM main.items AS i LEFT JOIN internal.aliased AS same ON same.recording_id = i.recording_id
    GROUP BY ALL HAVING bool_and(i.excluded_reason IS NOT NULL)
)
SELECT newest.*
FROM newest LEFT JOIN internal.aliased AS same ON same.recording_id = newest.recording_id
WHERE coalesce(same.canonical_id, newest.recording_id) NOT IN (SELECT canonical_id FROM excluded)
QUALIFY row_number() OVER (PARTITION BY newest.source_id ORDER BY newest.read_at, newest.uri) = 1
