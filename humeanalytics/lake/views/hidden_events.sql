-- One row of an event that is not under the table's plain name: the same event was read again later, or it is of a capture of the
-- socket and the chat's history is known too. Only chats that were read more than once are looked at.
WITH again AS (
    SELECT chat_id, bool_or(form = 'history' AND events > 0) AS has_history
    FROM main.chats_all GROUP BY chat_id HAVING count(*) > 1
)
SELECT e.event_id, e.scoring_id, e.load_id
FROM main.chat_events_all AS e JOIN again ON again.chat_id = e.chat_id
QUALIFY (has_history AND form = 'socket') OR row_number() OVER (
    PARTITION BY e.chat_id, event_id ORDER BY form = 'history' DESC, seen_at DESC NULLS LAST, e.scoring_id DESC, e.load_id DESC
) > 1
