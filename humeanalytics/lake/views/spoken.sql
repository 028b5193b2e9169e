-- One measured window of speech, or one frame of a video (v1), and what was said meanwhile: each once, with words or without.
-- text: all words that lie in it, even in part (windows overlap, so a word is in several); speaker_id: who speaks longest in it,
-- speaker_s seconds, of so many speakers. Text is of one transcript a recording (text_uri): of words before stretches, with
-- speakers before without, then the newest; speakers are of the same, or else of the newest file that names any (speaker_uri).
-- Where channels were measured each by itself, a transcript that does not tell channels apart has everybody's words in each.
-- Scores: JOIN audio_scores USING (scoring_id, measurement_id), or video_scores USING (scoring_id, frame_id).
WITH measured AS NOT MATERIALIZED ( -- nothing here is: a filter on recording_id then reaches every table that is read
    SELECT recording_id, scoring_id, 'audio' AS model, channel, utterance_id, measurement_id, CAST(NULL AS BIGINT) AS frame_id,
        measurement_id AS number, begin_s, end_s
    FROM main.audio_measurements
    UNION ALL
    SELECT recording_id, scoring_id, 'video', NULL, NULL, NULL, frame_id, frame_id, time_s, time_s FROM main.video_frames
), sources AS NOT MATERIALIZED ( -- under each id the recording is known by
    SELECT * EXCLUDE (recording_id), recording_id FROM main.word_sources
    UNION
    SELECT s.* EXCLUDE (recording_id), other.recording_id
    FROM main.word_sources AS s
    JOIN internal.aliased AS own ON own.recording_id = s.recording_id
    JOIN internal.aliased AS other ON other.canonical_id = own.canonical_id
), texts AS NOT MATERIALIZED (
    SELECT recording_id, source_id, uri FROM sources WHERE texts > 0
    QUALIFY row_number() OVER (
        PARTITION BY recording_id ORDER BY words > 0 DESC, speakers > 0 DESC, read_at DESC, source_id
    ) = 1
), turns AS NOT MATERIALIZED (
    SELECT s.recording_id, s.source_id, s.uri
    FROM sources AS s LEFT JOIN texts AS t ON t.recording_id = s.recording_id AND t.source_id = s.source_id
    WHERE s.speakers > 0
    QUALIFY row_number() OVER (
        PARTITION BY s.recording_id ORDER BY t.source_id IS NOT NULL DESC, s.read_at DESC, s.source_id
    ) = 1
), chosen AS NOT MATERIALIZED (
    SELECT recording_id, source_id, bool_or(is_text) AS is_text, bool_or(is_turn) AS is_turn
    FROM (
        SELECT recording_id, source_id, true AS is_text, false AS is_turn FROM texts
        UNION ALL
        SELECT recording_id, source_id, false, true FROM turns
    ) GROUP BY recording_id, source_id
), said AS NOT MATERIALIZED (
    SELECT c.recording_id, c.is_text, c.is_turn, w.nth, w.begin_s, w.end_s, w.speaker_id, w.text, w.channel
    FROM main.words_all AS w JOIN chosen AS c ON c.source_id = w.source_id
    WHERE w.begin_s <= w.end_s
), reach AS NOT MATERIALIZED (
    SELECT m.recording_id, greatest(m.first_s, w.first_s) AS first_s, least(m.last_s, w.last_s) AS last_s
    FROM (SELECT recording_id, min(begin_s) AS first_s, max(end_s) AS last_s FROM measured GROUP BY ALL) AS m
    JOIN (SELECT recording_id, min(begin_s) AS first_s, max(end_s) AS last_s FROM said GROUP BY ALL) AS w
        ON w.recording_id = m.recording_id
), measured_in AS NOT MATERIALIZED ( -- by stretches of 10 s, as long as a window: what overlaps meets in the first both are in
    SELECT m.recording_id, scoring_id, number, channel, begin_s, end_s,
        CAST(floor(greatest(begin_s, first_s) / 10) AS BIGINT) AS first,
        unnest(generate_series(first, CAST(floor(least(end_s, last_s) / 10) AS BIGINT))) AS stretch
    FROM measured AS m JOIN reach AS r ON r.recording_id = m.recording_id WHERE begin_s <= last_s AND end_s >= first_s
), said_in AS NOT MATERIALIZED (
    SELECT w.*, CAST(floor(greatest(begin_s, first_s) / 10) AS BIGINT) AS first,
        unnest(generate_series(first, CAST(floor(least(end_s, last_s) / 10) AS BIGINT))) AS stretch
    FROM said AS w JOIN reach AS r ON r.recording_id = w.recording_id WHERE begin_s <= last_s AND end_s >= first_s
), met AS NOT MATERIALIZED (
    SELECT m.recording_id, m.scoring_id, m.number, w.is_text, w.is_turn, w.nth, w.text, w.speaker_id, w.begin_s,
        least(w.end_s, m.end_s) - greatest(w.begin_s, m.begin_s) AS both_s
    FROM measured_in AS m JOIN said_in AS w ON w.recording_id = m.recording_id AND w.stretch = m.stretch
    WHERE m.stretch = greatest(m.first, w.first) AND (w.channel IS NULL OR m.channel IS NULL OR w.channel = m.channel)
        AND ((w.begin_s < m.end_s AND w.end_s > m.begin_s) OR w.begin_s = m.begin_s)
), said_during AS NOT MATERIALIZED (
    SELECT recording_id, scoring_id, number, string_agg(text, ' ' ORDER BY nth) AS text
    FROM met WHERE is_text AND text <> '' GROUP BY recording_id, scoring_id, number
), speaking AS NOT MATERIALIZED (
    SELECT recording_id, scoring_id, number, speaker_id, sum(both_s) AS speaker_s, min(begin_s) AS begin_s
    FROM met WHERE is_turn AND speaker_id IS NOT NULL GROUP BY recording_id, scoring_id, number, speaker_id
), speaking_longest AS NOT MATERIALIZED (
    SELECT *, count(*) OVER (PARTITION BY recording_id, scoring_id, number) AS speakers FROM speaking
    QUALIFY row_number() OVER (
        PARTITION BY recording_id, scoring_id, number ORDER BY speaker_s DESC, begin_s, speaker_id
    ) = 1
)
SELECT m.recording_id, m.scoring_id, m.model, m.channel, m.utterance_id, m.measurement_id, m.frame_id, m.begin_s, m.end_s,
    d.text, l.speaker_id, l.speaker_s, coalesce(l.speakers, 0) AS speakers, t.uri AS text_uri, u.uri AS speaker_uri
FROM measured AS m
LEFT JOIN said_during AS d ON d.recording_id = m.recording_id AND d.scoring_id = m.scoring_id AND d.number = m.number
LEFT JOIN speaking_longest AS l ON l.recording_id = m.recording_id AND l.scoring_id = m.scoring_id AND l.number = m.number
LEFT JOIN texts AS t ON t.recording_id = m.recording_id
LEFT JOIN turns AS u ON u.recording_id = m.recording_id
