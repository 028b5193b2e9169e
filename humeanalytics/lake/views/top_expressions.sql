-- One expression and its mean over the rows of a table or view, highest first: FROM top_expressions('prosody', 5). The mean is
-- plain: each row counts once, however long it is; rows without a score of the expression do not count.
SELECT m."column", n.name, m.mean
FROM (
    UNPIVOT (SELECT avg(COLUMNS(lambda c: c IN ($expressions))) FROM query_table(table_name))
    ON COLUMNS(*) INTO NAME "column" VALUE mean
) AS m
JOIN main.names AS n ON n."column" = m."column" AND n.kind = 'expression'
ORDER BY m.mean DESC, m."column" LIMIT k
