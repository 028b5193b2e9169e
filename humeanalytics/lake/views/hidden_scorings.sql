-- One scoring of one load whose rows are not under its table's plain name: a newer one holds, all items of its recording are
-- excluded, or (doubled) another load brought the very same answer before.
WITH excluded AS (
    SELECT coalesce(same.canonical_id, i.recording_id) AS canonical_id
    FROM main.items AS i LEFT JOIN internal.aliased AS same ON same.recording_id = i.recording_id
    GROUP BY ALL HAVING bool_and(i.excluded_reason IS NOT NULL)
)
SELECT DISTINCT every.scoring_id, every.load_id, every.model, every.load_id <> held.load_id AS doubled
FROM main.scorings_all AS every
JOIN main.scorings AS held ON held.scoring_id = every.scoring_id
LEFT JOIN internal.aliased AS same ON same.recording_id = held.recording_id
WHERE every.load_id <> held.load_id
    OR NOT held.newest
    OR coalesce(same.canonical_id, held.recording_id) IN (SELECT canonical_id FROM excluded)
