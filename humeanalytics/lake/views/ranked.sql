-- One row of $source with its three highest scores, and where among the scores each stands: of equal ones the first.
SELECT *, if(top[3] = top[2], place_2 + list_position(scores[place_2 + 1:], top[3]), list_position(scores, top[3])) AS place_3
FROM (
    SELECT *, if(top[2] = top[1], place_1 + list_position(scores[place_1 + 1:], top[2]), list_position(scores, top[2])) AS place_2
    FROM (
        SELECT *, list_position(scores, top[1]) AS place_1
        FROM (SELECT *, $scores AS scores, list_aggregate($scores, 'max', 3) AS top FROM $source)
    )
)
