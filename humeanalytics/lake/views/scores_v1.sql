-- One score above its cutoff (v1): the tables audio_scores and video_scores together. model is audio or video; images have the
-- time of their frame as begin_s and end_s. A name that is missing was below its cutoff, which is not zero: a mean of the
-- probabilities here is far too high. Windows of audio overlap.
SELECT recording_id, scoring_id, 'audio' AS model, channel, utterance_id, measurement_id, CAST(NULL AS BIGINT) AS frame_id,
    CAST(NULL AS BIGINT) AS face, CAST(NULL AS BIGINT) AS face_id, begin_s, end_s, kind, name, probability, rank
FROM main.audio_scores
UNION ALL
SELECT recording_id, scoring_id, 'video', NULL, NULL, NULL, frame_id, face, face_id, time_s, time_s, kind, name, probability, rank
FROM main.video_scores
