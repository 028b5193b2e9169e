"""What of the emulated service can be set: delays, limits, and every guess where the contract is silent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_args, get_type_hints


@dataclass(frozen=True, slots=True)
class SandboxOptions:
    """How the sandbox behaves. The defaults are Hume's limits, as published, with delays short enough for tests.

    Attributes ending in ``_s`` are seconds of the sandbox's clock, in ``_bytes`` bytes (decimal megabytes, as Hume counts).

    Examples:
        >>> SandboxOptions(queue_s=0.1, run_s=4.0).max_queued_jobs
        500
    """

    # pace: in Hume's samples jobs waited 0.07 to 0.11 s and ran 0.5 to 4.4 s
    queue_s: float = 0.05
    """A job stays QUEUED at least this long."""
    run_s: float = 0.05
    """A job stays IN_PROGRESS at least this long."""
    workers: int = 2
    """Jobs scored at once."""

    transcripts: Path | None = None
    """A folder of known transcripts: ``talk.txt`` has what is said in ``talk.wav``, however that comes in."""

    # published limits
    max_urls: int = 100
    max_texts: int = 100
    max_files: int = 100
    max_file_bytes: int = 100_000_000
    max_url_bytes: int = 1_000_000_000
    max_text_bytes: int = 255_000_000
    max_duration_s: float = 3 * 3600.0
    max_queued_jobs: int = 500

    # limits of the sandbox's own, so that no archive fills the disk
    max_archive_members: int = 10_000
    max_body_bytes: int = 300_000_000
    """Of a JSON body or a ``json`` part."""

    # guesses: the contract does not say
    strict: bool = False
    """Refuse unknown keys and form parts. Hume's own examples had some, so they are ignored by default."""
    validation_status: int = 400
    queue_full_status: int = 429
    not_ready_status: int = 400
    """For predictions or artifacts asked of a job that is not COMPLETED."""
    text_index_base: int = 1
    """Number of the first text in the ``file`` names of a text source."""
    boundary_inclusive: bool = False
    """Whether a job created exactly at ``timestamp_ms`` counts as created before and after it."""
    utf16_positions: bool = False
    """Count positions in UTF-16 code units rather than code points."""
    retention_s: float | None = None
    """How long after its end a job can still be seen; after that it is "not found". None: for ever."""

    # Expression Measurement v1
    expression_delay_s: float = 0.0
    """An upload is answered no sooner than this after it has arrived, in real time."""
    expression_most_at_once: int | None = None
    """Of more uploads at once than this the rest are told that the server is busy."""
    expression_max_body_bytes: int | None = 25_000_000
    """Of a whole upload. None lifts the limit, and with it the limit on how long audio may be. (Binary megabytes: 26,214,400.)"""
    expression_max_image_bytes: int | None = 2_000_000
    expression_max_image_pixels: int | None = 8_294_400
    expression_faces_measured: int = 2
    """The largest faces of an image are measured, this many."""
    expression_face_state_s: float = 24 * 3600.0
    """How long a face state is good for."""
    expression_access: bool = True
    """Whether this organization may upload at all; if not, uploads are forbidden."""

    # guesses about v1
    expression_pause_ms: int = 250
    """Silence this long ends an utterance."""
    expression_late_interval_ms: int = 40
    """An interval that is due this soon after speech has stopped is still taken."""
    expression_visible_after_s: float = 0.0
    """How long after it has ended a run can be seen."""
    expression_silence_s: float = 300.0
    """A run that is live but has not been heard of for this long is told as errored."""
    expression_nulls: bool = True
    """Whether a null in the config counts as not given, rather than as a wrong type."""
    expression_typed_config: bool = False
    """Insist that the config part says that it is JSON."""
    expression_by_content: bool = True
    """Tell what an audio file is by its bytes alone. False: a part that says it is an octet stream is taken for samples."""
    expression_headers_counted: bool = True
    """Whether bytes_received of a run counts the header of a WAV file."""
    expression_large_images_code: str = "image_too_large"
    """The code of the error when a whole upload of images is too large."""

    # EVI chat history
    evi_chats: int = 40
    """Chats of the past, between 2024 and 2026; they follow from the seed alone."""
    evi_events_per_chat: int = 30
    """Events of a chat, about, on the average."""
    evi_running: int = 2
    """Chats that run when the sandbox first opens; they grow by its clock and end within minutes."""
    evi_new_chats: int = 0
    """Chats that begin one after the other once the sandbox has opened; some take up a chat group of the past ..."""
    evi_new_every_s: float = 1.0
    """... and how far apart they begin."""
    evi_pace: float = 1.0
    """How much faster than people chats of the present go: at 60 a minute of talk takes a second."""
    evi_delay_s: float = 0.0
    """Any answer about history takes at least so long, in real time."""
    evi_token_s: float = 1800.0
    """How long an access token is good for."""
    evi_audio_queue_s: float = 0.05
    """Reconstruction of a chat's audio stays QUEUED so long after it was first asked for, then ..."""
    evi_audio_run_s: float = 0.05
    """... IN_PROGRESS so long."""
    evi_audio_polls: int | None = None
    """Count requests instead: COMPLETE with this many after the first."""
    evi_audio_outcome: str = "COMPLETE"
    """How reconstruction ends: COMPLETE, ERROR or CANCELLED; IN_PROGRESS: it never does."""
    evi_audio_url_s: float = 3600.0
    """How long the signed URL of an audio file is good for."""
    evi_signing_key: str = "sandbox-signing-key"
    """What webhooks are signed with."""
    evi_embeddings: bool = True
    """Whether segments of 2024 carry their embedding: most of the bytes of a page."""
    evi_new_fields: bool = False
    """Pages, chats and events have fields nobody has heard of, and chats an event of an unknown type and role."""

    # guesses about EVI
    evi_end_late_s: float = 3.0
    """A chat that has ended still shows no end_timestamp for so long."""
    evi_empty_total_pages: int = 0
    """total_pages of a list without items."""
    evi_page_size_status: int | None = 400
    """Of a page_size outside 1 to 100. None: it is taken for the nearest allowed."""
    evi_spring_errors: bool = False
    """Whether an unknown id is told in the form of an unknown route."""
    evi_newest_first: bool = False
    """The order of lists without ascending_order."""
    evi_count_all: bool = True
    """Whether event_count counts every type; False: messages only."""
    evi_tool_role: str = "TOOL"
    """The role of FUNCTION_CALL events: TOOL or AGENT."""
    evi_bare_tool_results: bool = False
    """Whether the text of FUNCTION_CALL_RESPONSE is the bare content instead of a message in JSON."""
    evi_interruption_time: bool = True
    """Whether the text of USER_INTERRUPTION is its moment in Unix milliseconds; False: there is none."""
    evi_segments_from_recording: bool = True
    """Whether times of segments count from the start of the recording; False: of the chat."""


def read_options(given: Iterable[str]) -> SandboxOptions:
    """Return options from texts of the form ``name=value``; ``none`` lifts a limit that can be lifted.

    Raises:
        ValueError: There is no such option, or it cannot have this value.

    Examples:
        >>> read_options(["expression_delay_s=0.2", "expression_max_body_bytes=none"]).expression_delay_s
        0.2
    """
    hints = get_type_hints(SandboxOptions)
    values: dict[str, Any] = {}
    for text in given:
        name, sign, value = text.partition("=")
        if not sign or name not in hints:
            known = ", ".join(field.name for field in fields(SandboxOptions))
            raise ValueError(f"{text!r} sets no option; write name=value with one of {known}.")
        values[name] = _read_value(name, value, get_args(hints[name]) or (hints[name],))
    return SandboxOptions(**values)


def _read_value(name: str, text: str, kinds: tuple[Any, ...]) -> Any:
    spelled = {"true": True, "false": False} if bool in kinds else {"none": None} if type(None) in kinds else {}
    if text.lower() in spelled:
        return spelled[text.lower()]
    try:
        if kinds[0] is bool:
            raise ValueError(text)
        return kinds[0](text)
    except ValueError:
        wanted = " or ".join([*spelled, *(kind.__name__ for kind in kinds if kind not in (bool, type(None)))])
        raise ValueError(f"Option {name} cannot be {text!r}; it takes {wanted}.") from None
