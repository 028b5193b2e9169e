-- One recording, with what is known of it from all the times it was met, under whatever id.
SELECT coalesce(c.canonical_id, r.recording_id) AS recording_id, max(r.load_id) AS load_id, max(r.sha256) AS sha256,
    max(r.md5) AS md5, max(r.size_bytes) AS size_bytes, max(r.media_type) AS media_type, max(r.duration_s) AS duration_s
FROM main.recordings_all AS r LEFT JOIN internal.aliased AS c ON c.recording_id = r.recording_id
GROUP BY 1
