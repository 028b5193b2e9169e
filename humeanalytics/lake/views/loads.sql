-- One complete load: rows over several tables that became visible together.
SELECT * FROM main.loads_all
QUALIFY row_number() OVER (PARTITION BY load_id ORDER BY committed_at NULLS LAST) = 1
