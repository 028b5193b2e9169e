-- One answer of one model for one recording. newest: whether its rows are the ones under the table's plain name
-- (the latest by when it was scored, else by when its file was last changed, else by when it came into the lake);
-- sources: in how many places the answer was met.
WITH met AS (
    SELECT * FROM main.scorings_all
    QUALIFY row_number() OVER (PARTITION BY scoring_id ORDER BY loaded_at NULLS LAST, load_id) = 1
), more AS (
    SELECT scoring_id, count(DISTINCT (response_id, uri)) AS sources FROM main.scoring_sources_all GROUP BY scoring_id
)
SELECT met.*,
    row_number() OVER (
        PARTITION BY coalesce(same.canonical_id, met.recording_id), met.model
        ORDER BY coalesce(met.scored_at, met.saved_at) DESC NULLS LAST, met.loaded_at DESC NULLS LAST, met.scoring_id DESC
    ) = 1 AS newest,
    1 + coalesce(more.sources, 0) AS sources
FROM met
LEFT JOIN internal.aliased AS same ON same.recording_id = met.recording_id
LEFT JOIN more ON more.scoring_id = met.scoring_id
