"""Say where v1 saw faces that it did not measure."""

from __future__ import annotations

from collections.abc import Collection

import pyarrow as pa

from humeanalytics.lake.lake import Lake


def unmeasured_faces(lake: Lake, scorings: Collection[str]) -> list[str]:
    """Return a note on the faces that some scorings saw and did not measure: none where there are no such.

    v1 measures the two largest faces of a frame; which ones these are changes from frame to frame.
    """
    wanted = pa.table({"scoring_id": pa.array(sorted(scorings), pa.string())})
    query = """
        SELECT CAST(sum(faces - measured_faces) AS BIGINT) AS faces, count(DISTINCT recording_id) AS recordings
        FROM video_frames SEMI JOIN wanted USING (scoring_id) WHERE faces > measured_faces
    """
    [row] = lake.sql(query, wanted=wanted).rows()
    if not row["faces"]:
        return []
    return [
        f"{row['faces']:,} faces were seen and not measured, in {row['recordings']:,} recordings: v1 measures the two largest of "
        "a frame. `coverage` counts them for each item (unmeasured_faces)."
    ]
