-- One face, speaker or channel of one recording, and who that is: of role and participant what was said last; an empty one takes
-- it away.
SELECT * FROM (
    SELECT coalesce(same.canonical_id, t.recording_id) AS recording_id,
        last(t.load_id ORDER BY t.set_at NULLS FIRST, t.load_id) AS load_id, t.subject,
        nullif(last(t.role ORDER BY t.set_at NULLS FIRST, t.load_id, t.role) FILTER (t.role IS NOT NULL), '') AS role,
        nullif(
            last(t.participant ORDER BY t.set_at NULLS FIRST, t.load_id, t.participant) FILTER (t.participant IS NOT NULL), ''
        ) AS participant,
        last(t.uri ORDER BY t.set_at NULLS FIRST, t.load_id) AS uri, max(t.set_at) AS set_at
    FROM main.subjects_all AS t LEFT JOIN internal.aliased AS same ON same.recording_id = t.recording_id
    GROUP BY 1, t.subject
) WHERE coalesce(role, participant) IS NOT NULL
