-- One more place where an answer already known was met again.
SELECT scoring_id, max(load_id) AS load_id, response_id, uri, max(dialect) AS dialect
FROM main.scoring_sources_all GROUP BY scoring_id, response_id, uri
