-- One row of the view, under the one id that stands for its recording.
SELECT v.* REPLACE (coalesce(c.canonical_id, v.recording_id) AS recording_id)
FROM ($view) AS v LEFT JOIN internal.aliased AS c ON c.recording_id = v.recording_id
