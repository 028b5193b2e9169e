-- One recording, with what is known of it from all the times it was met.
SELECT recording_id, max(load_id) AS load_id, max(sha256) AS sha256, max(md5) AS md5, max(size_bytes) AS size_bytes,
    max(media_type) AS media_type, max(duration_s) AS duration_s
FROM main.recordings_all GROUP BY recording_id
