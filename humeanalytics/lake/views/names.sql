-- One name of Hume's and the column it became: an expression, an action unit, a description, ... models: which give it;
-- colour: Hume's, where Hume publishes one.
SELECT "column", name, kind, list(model ORDER BY place) AS models, any_value(colour) AS colour
FROM internal.names GROUP BY "column", name, kind ORDER BY min(place), min(nth)
