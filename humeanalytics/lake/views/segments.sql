-- One phase of one recording, as it was said last of that recording: segments do not overlap, and not all of a recording need be
-- in one.
SELECT * FROM (
    SELECT t.* REPLACE (coalesce(same.canonical_id, t.recording_id) AS recording_id)
    FROM main.segments_all AS t LEFT JOIN internal.aliased AS same ON same.recording_id = t.recording_id
    QUALIFY dense_rank() OVER (
        PARTITION BY coalesce(same.canonical_id, t.recording_id) ORDER BY t.set_at DESC NULLS LAST, t.load_id DESC
    ) = 1
) WHERE segment IS NOT NULL
