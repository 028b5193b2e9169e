-- One measured window of speech, or one frame of a video (v1), and what was said meanwhile: each once, with words or without.
-- text: all words that lie in it, even in part (windows overlap, so a word is in several); speaker_id: who speaks longest in it,
-- speaker_s seconds, of so many speakers. Text is of one transcript a recording (text_uri): of words before stretches, with
-- speakers before without, then the newest; speakers are of the same, or else of the newest file that names any (speaker_uri).
-- Where channels were measured each by itself, a transcript that does not tell channels apart has everybody's words in each.
-- Scores: JOIN audio_scores USING (scoring_id, measurement_id), or video_scores USING (scoring_id, frame_id).
WITH measured AS (
    SELECT m.*, coalesce(measurement_id, frame_id) AS number, coalesce(same.canonical_id, m.recording_id) AS canonical_id
    FROM (
        SELECT recording_id, scoring_id, 'audio' AS model, channel, utterance_id, measurement_id,
            CAST(NULL AS BIGINT) AS frame_id, begin_s, end_s
        FROM main.audio_measurements
        UNION ALL
        SELECT recording_id, scoring_id, 'video', NULL, NULL, NULL, frame_id, time_s, time_s FROM main.video_frames
    ) AS m
    LEFT JOIN internal.aliased AS same ON same.recording_id = m.recording_id
), sources AS (
    SELECT s.*, coalesce(same.canonical_id, s.recording_id) AS canonical_id
    FROM main.word_sources AS s LEFT JOIN internal.aliased AS same ON same.recording_id = s.recording_id
), texts AS (
    SELECT canonical_id, source_id, uri FROM sources WHERE texts > 0
    QUALIFY row_number() OVER (
        PARTITION BY canonical_id ORDER BY words > 0 DESC, speakers > 0 DESC, read_at DESC, source_id
    ) = 1
), turns AS (
    SELECT s.canonical_id, s.source_id, s.uri
    FROM sources AS s LEFT JOIN texts AS t ON t.source_id = s.source_id WHERE s.speakers > 0
    QUALIFY row_number() OVER (
        PARTITION BY s.canonical_id ORDER BY t.source_id IS NOT NULL DESC, s.read_at DESC, s.source_id
    ) = 1
), said AS (
    SELECT coalesce(t.canonical_id, u.canonical_id) AS canonical_id, t.source_id IS NOT NULL AS is_text,
        u.source_id IS NOT NULL AS is_turn, w.nth, w.begin_s, w.end_s, w.speaker_id, w.text, w.channel
    FROM main.words AS w
    LEFT JOIN texts AS t ON t.source_id = w.source_id
    LEFT JOIN turns AS u ON u.source_id = w.source_id
    WHERE w.begin_s <= w.end_s AND coalesce(t.source_id, u.source_id) IS NOT NULL
), reach AS (
    SELECT canonical_id, greatest(m.first_s, w.first_s) AS first_s, least(m.last_s, w.last_s) AS last_s
    FROM (SELECT canonical_id, min(begin_s) AS first_s, max(end_s) AS last_s FROM measured GROUP BY ALL) AS m
    JOIN (SELECT canonical_id, min(begin_s) AS first_s, max(end_s) AS last_s FROM said GROUP BY ALL) AS w USING (canonical_id)
), measured_in AS ( -- by stretches of 10 s, the length of a window: what overlaps meets in the first stretch that both are in
    SELECT canonical_id, scoring_id, number, channel, begin_s, end_s, CAST(floor(greatest(begin_s, first_s) / 10) AS BIGINT) AS first,
        unnest(generate_series(first, CAST(floor(least(end_s, last_s) / 10) AS BIGINT))) AS stretch
    FROM measured JOIN reach USING (canonical_id) WHERE begin_s <= last_s AND end_s >= first_s
), said_in AS (
    SELECT said.*, CAST(floor(greatest(begin_s, first_s) / 10) AS BIGINT) AS first,
        unnest(generate_series(first, CAST(floor(least(end_s, last_s) / 10) AS BIGINT))) AS stretch
    FROM said JOIN reach USING (canonical_id) WHERE begin_s <= last_s AND end_s >= first_s
), met AS (
    SELECT m.scoring_id, m.number, w.is_text, w.is_turn, w.nth, w.text, w.speaker_id, w.begin_s,
        least(w.end_s, m.end_s) - greatest(w.begin_s, m.begin_s) AS both_s
    FROM measured_in AS m JOIN said_in AS w ON w.canonical_id = m.canonical_id AND w.stretch = m.stretch
    WHERE m.stretch = greatest(m.first, w.first) AND (w.channel IS NULL OR m.channel IS NULL OR w.channel = m.channel)
        AND ((w.begin_s < m.end_s AND w.end_s > m.begin_s) OR w.begin_s = m.begin_s)
), said_during AS (
    SELECT scoring_id, number, string_agg(text, ' ' ORDER BY nth) AS text FROM met WHERE is_text AND text <> '' GROUP BY ALL
), speaking AS (
    SELECT scoring_id, number, speaker_id, sum(both_s) AS speaker_s, min(begin_s) AS begin_s
    FROM met WHERE is_turn AND speaker_id IS NOT NULL GROUP BY ALL
), speaking_longest AS (
    SELECT *, count(*) OVER (PARTITION BY scoring_id, number) AS speakers FROM speaking
    QUALIFY row_number() OVER (PARTITION BY scoring_id, number ORDER BY speaker_s DESC, begin_s, speaker_id) = 1
)
SELECT m.recording_id, m.scoring_id, m.model, m.channel, m.utterance_id, m.measurement_id, m.frame_id, m.begin_s, m.end_s,
    d.text, l.speaker_id, l.speaker_s, coalesce(l.speakers, 0) AS speakers, t.uri AS text_uri, u.uri AS speaker_uri
FROM measured AS m
LEFT JOIN said_during AS d ON d.scoring_id = m.scoring_id AND d.number = m.number
LEFT JOIN speaking_longest AS l ON l.scoring_id = m.scoring_id AND l.number = m.number
LEFT JOIN texts AS t ON t.canonical_id = m.canonical_id
LEFT JOIN turns AS u ON u.canonical_id = m.canonical_id
