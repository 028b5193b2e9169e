"""What the tables of EVI are: chats, what was said in them, and what they ran with.

A chat counts as a recording of its own, so that labels hang on it and answers of it are told apart as any others. Times are
Hume's milliseconds as times of day in UTC; beside each stands the number as it came, which in some old texts is in seconds.
"""

from __future__ import annotations

from humeanalytics import vocabulary
from humeanalytics.tables.declarations import F32, F64, I64, KEYS, UTC_TIME, B, Column, S, Table
from humeanalytics.tables.declarations import declared as _c

_LOAD = KEYS[2]
_KEYS = (
    _c("recording_id", S, "the chat as a recording: `chat:` and its id; labels hang on it"),
    _c("scoring_id", S, "the answer this row came in: the same for a chat that was read again and had not changed"),
    _LOAD,
)
_CHAT = _c("chat_id", S, "the chat")
_GROUP = _c("chat_group_id", S, "the group of chats it is in: a chat and all that resumed it; null where that was not told")
_SEEN = _c("seen_at", UTC_TIME, "when Hume said so, or when the file that says so was last changed; the newest holds")
_OTHER = _c("other_json", S, "fields nobody has heard of, as JSON")
_CONFIG = (
    _c("config_id", S, "the configuration it ran with; null where it had none"),
    _c("config_version", I64, "its version, which may be 0"),
)


def _time(name: str, about: str) -> tuple[Column, Column]:
    return _c(name, UTC_TIME, about), _c(f"{name}_raw", I64, "the same as it came: milliseconds since 1970, or seconds")


_ABOUT_SCORE = "score of this expression in the voice, usually 0 to 1; null where Hume gave none, as for text that was typed"
_SCORES = tuple(Column(n.column, F32, _ABOUT_SCORE, n.name) for n in vocabulary.names_of("prosody"))

#: The tables whose rows are of one chat.
CHAT_TABLES = (
    Table(
        "chats",
        "one chat: one session of somebody with an assistant (EVI)",
        (
            *_KEYS,
            _CHAT,
            _GROUP,
            *_CONFIG,
            _c(
                "custom_session_id",
                S,
                "what the one who ran it calls it: told by a webhook, a socket, or in its session settings",
            ),
            _c(
                "status",
                S,
                "`ACTIVE`, or how it ended: `USER_ENDED`, `INACTIVITY_TIMEOUT`, ...; null where only events are known",
            ),
            *_time("start_timestamp", "when it began"),
            *_time("end_timestamp", "when it ended; null while it runs, and for some seconds after"),
            _c("event_count", I64, "how many events it has, as Hume counts; may lag behind"),
            _c("events", I64, "how many events of it were read"),
            _c("form", S, "`history`, `socket` (a capture of messages as they came) or `webhook`"),
            _c("caller_number", S, "the number of who called, where it came by telephone"),
            _c("duration_s", F64, "how long it was, in seconds, as a webhook tells"),
            _c("start_type", S, "`new_chat_group` or `resumed_chat_group`, as a webhook tells"),
            _c("variables_json", S, "variables of its session settings, as JSON; values come back as text, secrets are blank"),
            _c("twilio_json", S, "what Twilio told of the call, as JSON"),
            _c("metadata", S, "its metadata as it came"),
            _SEEN,
            _OTHER,
        ),
    ),
    Table(
        "chat_events",
        "one event of a chat: a message, or a mark (EVI)",
        (
            *_KEYS,
            _c("event_id", S, "the event; one that came without an id is named by what it holds"),
            _CHAT,
            _c("related_event_id", S, "the message that the scores of an `ASSISTANT_PROSODY` are of"),
            _c("ordinal", I64, "its place in Hume's list of events, oldest first: decides between events of one millisecond"),
            *_time("timestamp", "when it happened, by the server's clock"),
            _c("role", S, "`USER`, `AGENT`, `SYSTEM`, `TOOL`: the side of the line, not who speaks"),
            _c("type", S, "`USER_MESSAGE`, `AGENT_MESSAGE`, `USER_INTERRUPTION`, ..."),
            _c("message_text", S, "what was said, or JSON, by type; secrets in it are blank"),
            _c("begin_ms", I64, "where the speech begins in the user's audio, which begins with `USER_RECORDING_START_MESSAGE`"),
            _c("end_ms", I64, "where it ends there"),
            _c("form", S, "`history`, or `socket`: there ids and times are of the capture"),
            _SEEN,
            *_SCORES,
            _c("emotion_features", S, "the scores as they came, JSON"),
            _c("metadata", S, "its metadata as it came, JSON: segments of speech with scores and embeddings"),
            _OTHER,
        ),
    ),
    Table(
        "chat_segments",
        "one stretch of speech within a message of the user (EVI)",
        (
            *_KEYS,
            _c("event_id", S, "the message; joins to `chat_events`"),
            _CHAT,
            _c("nth", I64, "its place in the message, from 0"),
            _c("content", S, "what was said"),
            _c("begin_ms", I64, "where it begins in the user's audio, milliseconds"),
            _c("end_ms", I64, "where it ends there"),
            _SEEN,
            *_SCORES,
        ),
    ),
    Table(
        "tool_calls",
        "one call of a tool and what came back (EVI)",
        (
            *_KEYS,
            _CHAT,
            _c("tool_call_id", S, "Hume's id of the call; null where it was not told"),
            _c("call_event_id", S, "the event that called; null where only an answer or a webhook is known"),
            _c("response_event_id", S, "the event that answered; null where none did"),
            _c("paired_by", S, "`id`, or `order`: the next answer after the call; null where there is only one of them"),
            _c("name", S, "the tool"),
            _c("tool_type", S, "`function` or `builtin`"),
            _c("parameters", S, "what it was called with, JSON; secrets in it are blank"),
            _c("response_required", B, "whether the assistant waits for an answer"),
            _c("called_at", UTC_TIME, "when it was called"),
            _c("responded_at", UTC_TIME, "when the answer came"),
            _c("latency_ms", I64, "between the two"),
            _c("content", S, "the answer"),
            _c("error", S, "the error, where it was one"),
            _SEEN,
        ),
    ),
    Table(
        "chat_audio",
        "one reconstruction of the sound of a chat, as it stood (EVI); signed URLs are never kept",
        (
            *_KEYS,
            _CHAT,
            _c("user_id", S, "the owner of the account"),
            _c("status", S, "`QUEUED`, `IN_PROGRESS`, `COMPLETE`, `ERROR`, `CANCELLED`"),
            _c("filename", S, "what Hume calls the file"),
            *_time("modified_at", "when its status last changed"),
            _c("path", S, "where it lies, if it was downloaded"),
            _c("sha256", S, "of its bytes"),
            _c("size_bytes", I64, "their number"),
            _SEEN,
            _OTHER,
        ),
    ),
)
_VERSION = _c("version", I64, "its version, which may be 0")
_CHANGED = (*_time("created_on", "when it was made"), *_time("modified_on", "when it was last changed"))
_ABOUT = (_c("name", S, "its name"), _c("version_description", S, "what was said of this version"))
#: The tables whose rows are of no single chat.
ACCOUNT_TABLES = (
    Table(
        "chat_groups",
        "one group of chats: a chat and all that resumed it (EVI)",
        (
            _c("chat_group_id", S, "the group"),
            _LOAD,
            *_time("first_start_timestamp", "when its first chat began"),
            *_time("most_recent_start_timestamp", "when its last chat began"),
            _c("num_chats", I64, "how many chats it has"),
            _c("most_recent_chat_id", S, "its last chat"),
            _c("most_recent_config_id", S, "the configuration of its last chat"),
            _c("most_recent_config_version", I64, "its version"),
            _c("active", B, "whether one of its chats runs"),
            _SEEN,
            _OTHER,
        ),
    ),
    Table(
        "evi_configs",
        "one version of one configuration (EVI)",
        (
            _c("config_id", S, "the configuration"),
            _VERSION,
            _LOAD,
            *_ABOUT,
            _c("evi_version", S, "the version of EVI"),
            _c("prompt_id", S, "its prompt; joins to `evi_prompts`"),
            _c("prompt_version", I64, "the prompt's version"),
            _c("voice_id", S, "its voice"),
            _c("voice_name", S, "the voice's name"),
            _c("language_model_provider", S, "whose language model it uses"),
            _c("language_model_resource", S, "which"),
            _c("temperature", F64, "how freely that answers"),
            *_CHANGED,
            _SEEN,
            _c("config_json", S, "all of it, as JSON; secrets in it are blank"),
        ),
    ),
    Table(
        "evi_prompts",
        "one version of one prompt (EVI)",
        (
            _c("prompt_id", S, "the prompt"),
            _VERSION,
            _LOAD,
            *_ABOUT,
            _c("version_type", S, "`FIXED` or `LATEST`"),
            _c("text", S, "the prompt, before variables are filled in"),
            *_CHANGED,
            _SEEN,
            _OTHER,
        ),
    ),
    Table(
        "evi_tools",
        "one version of one tool (EVI)",
        (
            _c("tool_id", S, "the tool"),
            _VERSION,
            _LOAD,
            *_ABOUT,
            _c("version_type", S, "`FIXED` or `LATEST`"),
            _c("tool_type", S, "`FUNCTION` or `BUILTIN`"),
            _c("description", S, "what it does, as the assistant is told"),
            _c("parameters", S, "the JSON schema of what it takes"),
            _c("fallback_content", S, "what the assistant gets where it fails"),
            *_CHANGED,
            _SEEN,
            _OTHER,
        ),
    ),
)
EVI_TABLES = (*CHAT_TABLES, *ACCOUNT_TABLES)
