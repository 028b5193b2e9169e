-- One item that is not excluded and one model it could be scored by: whether it was, rows, errors, and covered_s, the seconds of
-- the recording that its rows cover (where windows overlap, counted once). A face has no length: each frame with a face
-- counts for the usual step from frame to frame (of v0, which tells of frames with faces only, without the gaps between
-- them). Texts and images have no seconds. duration_s is the item's. unmeasured_faces are those that v1 saw and did not measure: it measures the two largest of a frame.
WITH models(model, media) AS (
    VALUES ('face', ['video', 'image']), ('facemesh', ['video', 'image']), ('burst', ['audio', 'video']),
        ('prosody', ['audio', 'video']), ('language', ['audio', 'video', 'text']), ('ner', ['audio', 'video', 'text']),
        ('audio', ['audio', 'video']), ('video', ['video', 'image'])
), held AS (
    SELECT i.item_id, s.model, s.scoring_id, s.rows
    FROM main.scorings AS s JOIN internal.recording_items AS i ON i.recording_id = s.recording_id
    WHERE s.newest
), pairs AS (
    SELECT item_id, model FROM held
    UNION
    SELECT i.item_id, m.model FROM main.items AS i JOIN models AS m
        ON i.media_type IS NULL OR i.media_type = 'archive' OR list_contains(m.media, i.media_type)
    WHERE m.model IN (SELECT model FROM main.scorings UNION ALL SELECT model FROM main.errors)
        OR NOT EXISTS (SELECT 1 FROM main.scorings)
), stretches AS (
    SELECT scoring_id, file, begin_s, end_s FROM main.prosody
    UNION ALL SELECT scoring_id, file, begin_s, end_s FROM main.burst
    UNION ALL SELECT scoring_id, file, begin_s, end_s FROM main.language
    UNION ALL SELECT scoring_id, file, begin_s, end_s FROM main.ner
    UNION ALL SELECT scoring_id, NULL, begin_s, end_s FROM main.audio_measurements
), reached AS (
    SELECT *, max(end_s) OVER (
        PARTITION BY scoring_id, file ORDER BY begin_s, end_s ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS before_s
    FROM stretches WHERE begin_s IS NOT NULL AND end_s IS NOT NULL
), frames AS (
    SELECT scoring_id, file, time_s, time_s - lag(time_s) OVER (PARTITION BY scoring_id, file ORDER BY time_s) AS step_s
    FROM (SELECT DISTINCT scoring_id, file, time_s FROM main.face)
), seen AS (
    SELECT scoring_id, count(*) FILTER (faces > 0) * avg(step_s) AS covered_s,
        CAST(sum(faces - measured_faces) AS BIGINT) AS unmeasured_faces
    FROM (SELECT *, time_s - lag(time_s) OVER (PARTITION BY scoring_id ORDER BY time_s) AS step_s FROM main.video_frames)
    GROUP BY scoring_id
), covered AS (
    SELECT scoring_id, sum(greatest(end_s - greatest(begin_s, coalesce(before_s, begin_s)), 0)) AS covered_s
    FROM reached GROUP BY scoring_id
    UNION ALL
    SELECT scoring_id, sum(frame_s) AS covered_s
    FROM (
        SELECT scoring_id, count(*) * avg(step_s) FILTER (step_s <= 1.5 * usual_s) AS frame_s
        FROM (SELECT *, median(step_s) OVER (PARTITION BY scoring_id, file) AS usual_s FROM frames) GROUP BY scoring_id, file
    ) GROUP BY scoring_id
    UNION ALL
    SELECT scoring_id, covered_s FROM seen
), failed AS (
    SELECT item_id, model, count(*) AS errors
    FROM (
        SELECT error_id, item_id, model FROM main.errors WHERE item_id IS NOT NULL
        UNION
        SELECT e.error_id, i.item_id, e.model FROM main.errors AS e JOIN main.items AS i ON i.recording_id = e.recording_id
        WHERE e.item_id IS NULL
    ) GROUP BY item_id, model
)
SELECT p.item_id, i.recording_id, i.uri, i.name, i.media_type, p.model, held.scoring_id IS NOT NULL AS scored, held.scoring_id,
    coalesce(held.rows, 0) AS rows, covered.covered_s, i.duration_s, coalesce(own.errors, 0) + coalesce(whole.errors, 0) AS errors,
    seen.unmeasured_faces
FROM pairs AS p
JOIN main.items AS i ON i.item_id = p.item_id
LEFT JOIN held ON held.item_id = p.item_id AND held.model = p.model
LEFT JOIN covered ON covered.scoring_id = held.scoring_id
LEFT JOIN seen ON seen.scoring_id = held.scoring_id
LEFT JOIN failed AS own ON own.item_id = p.item_id AND own.model = p.model
LEFT JOIN failed AS whole ON whole.item_id = p.item_id AND whole.model IS NULL
WHERE i.excluded_reason IS NULL
