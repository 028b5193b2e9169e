-- One recording and v1 model: what its measurement has cost. requests were sent, lost are those whose answer never came;
-- billed_s are the seconds billed, as Hume's list of runs says or else by Hume's rule, of whatever was not certainly free;
-- in doubt are those of lost requests of which nobody can tell. v0 billed by the account and left nothing that tells.
SELECT recording_id, model, origin, count(*) AS requests, count(*) FILTER (state = 'unknown') AS lost,
    sum(size_bytes) AS size_bytes, sum(coalesce(received_s, duration_s)) AS audio_s, sum(coalesce(received_frames, frames)) AS images,
    coalesce(sum(coalesce(metered_s, billed_s)) FILTER (billed IS DISTINCT FROM 'no'), 0) AS billed_s,
    coalesce(sum(coalesce(metered_s, billed_s)) FILTER (billed = 'unknown'), 0) AS in_doubt_s
FROM main.uploads GROUP BY recording_id, model, origin
