-- One value: the segment in which most of a window's time lies, of two alike the earlier; of a window without length the one that
-- has begun by then and has not ended. Null where none of it does.
(
    SELECT arg_max(s.segment, (least(s.end_s, $end) - greatest(s.begin_s, $begin), -s.begin_s))
    FROM $segments AS s
    WHERE s.recording_id = $recording AND s.end_s > $begin AND (s.begin_s < $end OR s.begin_s = $begin)
)
