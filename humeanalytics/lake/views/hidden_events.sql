-- One row of an event that is not under the table's plain name: the same event was read again later, or the chat is known both as
-- history and by a capture of its socket, which tell the same messages under other ids: then the form shows that has more of them,
-- of as many the history. Only chats that were read more than once are looked at.
WITH again AS (
    SELECT chat_id FROM main.chats_all GROUP BY chat_id HAVING count(*) > 1
), known AS (
    SELECT e.chat_id, bool_or(e.form = 'history') AND count(DISTINCT e.event_id) FILTER (e.form = 'history' AND said)
            >= count(DISTINCT e.event_id) FILTER (e.form = 'socket' AND said) AS as_history
    FROM (SELECT *, type IN ('USER_MESSAGE', 'AGENT_MESSAGE') AS said FROM main.chat_events_all) AS e
    JOIN again ON again.chat_id = e.chat_id
    GROUP BY e.chat_id
)
SELECT e.event_id, e.scoring_id, e.load_id
FROM main.chat_events_all AS e JOIN known ON known.chat_id = e.chat_id
QUALIFY form = if(as_history, 'socket', 'history') OR row_number() OVER (
    PARTITION BY e.chat_id, event_id ORDER BY form = 'history' DESC, seen_at DESC NULLS LAST, e.scoring_id DESC, e.load_id DESC
) > 1
