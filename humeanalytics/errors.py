"""Everything that can go wrong, on one screen.

::

    HumeAnalyticsError
    ├── UsageError (ValueError)               wrong use, or settings that do not fit          exit 2
    │   ├── SettingsError
    │   │   └── MissingKey
    │   ├── MissingExtra (ImportError)        an optional library is not installed
    │   ├── QueryError                        SQL that DuckDB does not take
    │   └── TableNotFound (KeyError)
    ├── LakeError                             the folder or bucket of tables                  exit 2
    │   ├── LakeNotFound (FileNotFoundError)
    │   ├── LakeTooNew                        written by a newer humeanalytics
    │   ├── LakeMixed                         sandbox results and real ones in one lake
    │   ├── LedgerMismatch                    this lake's submissions are in another ledger
    │   ├── DiskFull (OSError)                no room for what was to be written            exit 75
    │   └── LakeLocked                        another run of the same flow holds it           exit 75
    ├── ItemError                             one recording or file; never stops the others   exit 3
    │   ├── UnreadableRecording               missing, empty, unreadable, unsupported
    │   ├── LimitExceeded                     larger or longer than Hume accepts
    │   └── UnreadableResponse (ValueError)   a saved answer that is broken
    │       └── NotHumeData                   ... or was never Hume's
    ├── ApiError                              an answer of the service, with status and Hume's message
    │   ├── AuthenticationFailed              401                                             exit 4
    │   ├── PermissionDenied                  403                                             exit 4
    │   │   └── ServiceDiscontinued           403 with the notice of the shutdown
    │   ├── NotFound                          404
    │   ├── RequestRejected                   400, 413, 422 and other 4xx: sending it again is no use
    │   ├── RateLimited                       429, after all retries                          exit 75
    │   ├── ServerFailed                      5xx, after all retries                          exit 75
    │   └── InvalidAnswer                     a success whose body is cut short or not what was promised
    ├── ServiceUnreachable (ConnectionError)  no connection, after all retries                exit 75
    ├── OutcomeUnknown                        a submission whose answer was lost              exit 3
    ├── WebhookRefused (ValueError)           a webhook that is not signed as Hume signs      exit 3
    ├── WaitTimeout (TimeoutError)            a deadline passed; says how to go on            exit 5
    └── Interrupted                           stopped by the user; can be resumed             exit 75

Every message says what happened, to which file or id, and what to do next. ``exit_code`` is what the command line
returns when the error ends the run: 1 a bug, 2 wrong use, 3 items failed, 4 refused by the service, 5 a limit the user
set, 75 come again.
"""

from __future__ import annotations

from collections.abc import Iterable


class HumeAnalyticsError(Exception):
    """The root of all errors this package raises on purpose."""

    exit_code = 1


# ---------------------------------------------------------------------------------------------------- use and settings
class UsageError(HumeAnalyticsError, ValueError):
    """The call cannot mean anything: a wrong value, or a combination that contradicts itself."""

    exit_code = 2


class SettingsError(UsageError):
    """A setting is missing or does not fit."""


class MissingKey(SettingsError):
    """No API key was found where one is needed."""

    @classmethod
    def for_host(cls, host: str, variable: str = "HUME_API_KEY") -> MissingKey:
        return cls(
            f"No API key for {host}. Set {variable} (or {variable}_FILE, the path of a file that holds it), put "
            f"{variable}=... into a .env file, or add --sandbox to run against the built-in emulator, which needs no key."
        )


class MissingExtra(UsageError, ImportError):
    """An optional library is not installed."""

    @classmethod
    def for_library(cls, library: str, extra: str) -> MissingExtra:
        return cls(f"{library} is not installed. Install it with: python -m pip install 'humeanalytics[{extra}]'")


class QueryError(UsageError):
    """DuckDB refused a query. The message is DuckDB's own, followed by the tables there are."""


class TableNotFound(UsageError, KeyError):
    """There is no table or view of that name."""

    def __init__(self, name: str, available: Iterable[str]) -> None:
        self.name = name
        self.available = tuple(available)
        super().__init__(f"No table or view named {name!r}. There are: {', '.join(self.available) or 'none yet'}.")

    def __str__(self) -> str:  # KeyError would print the repr
        return str(self.args[0])


# ---------------------------------------------------------------------------------------------------------------- lake
class LakeError(HumeAnalyticsError):
    """Something about the lake as a whole."""

    exit_code = 2

    def __init__(self, message: str, *, uri: str = "") -> None:
        self.uri = uri
        super().__init__(message)


class LakeNotFound(LakeError, FileNotFoundError):
    """There is no lake at that place."""

    def __str__(self) -> str:  # OSError would print (errno, message)
        return str(self.args[0])


class LakeTooNew(LakeError):
    """The lake was written by a newer humeanalytics than this one."""


class LakeMixed(LakeError):
    """Sandbox results never enter a lake of real ones, nor the other way round."""


class LedgerMismatch(LakeError):
    """This lake has submissions that the ledger at hand knows nothing of."""


class DiskFull(LakeError, OSError):
    """There is no room left where the lake lies. Nothing half written is kept."""

    exit_code = 75

    def __str__(self) -> str:  # OSError would print (errno, message)
        return str(self.args[0])


class LakeLocked(LakeError):
    """Another run of the same flow works on this lake."""

    exit_code = 75

    def __init__(self, message: str, *, uri: str = "", holder: str = "") -> None:
        self.holder = holder
        super().__init__(message, uri=uri)


# --------------------------------------------------------------------------------------------------------------- items
class ItemError(HumeAnalyticsError):
    """One recording or one saved file could not be used. ``item`` is its path, URI or id."""

    exit_code = 3

    def __init__(self, message: str, *, item: str = "") -> None:
        self.item = item
        super().__init__(message)


class UnreadableRecording(ItemError):
    """A recording is missing, empty, unreadable, or of a kind that the API does not take."""


class LimitExceeded(ItemError):
    """A recording is larger or longer than the API accepts; nothing was sent."""


class UnreadableResponse(ItemError, ValueError):
    """A saved answer is broken: truncated, mistyped or malformed. Says where."""


class NotHumeData(UnreadableResponse):
    """A file holds something else than an answer of Hume's. Says what it looked like."""


# ------------------------------------------------------------------------------------------------------------- service
class ApiError(HumeAnalyticsError):
    """The service answered with an error.

    Attributes:
        status: The HTTP status.
        url: What was asked, without its query.
        request_id: The service's own id of the request, where it gave one.
        code: What went wrong in the service's own terms (``image_decode_failed``), where it says so: v1 does.
    """

    exit_code = 4

    def __init__(
        self, message: str, *, status: int = 0, url: str = "", request_id: str | None = None, code: str | None = None
    ) -> None:
        self.status = status
        self.url = url
        self.request_id = request_id
        self.code = code
        super().__init__(message)


class AuthenticationFailed(ApiError):
    """401: the key is missing, wrong or expired."""


class PermissionDenied(ApiError):
    """403: the key may not do this."""


class ServiceDiscontinued(PermissionDenied):
    """403 with the notice that Hume has switched this API off."""


class NotFound(ApiError):
    """404: no such job, chat or run; for the account of this key."""

    exit_code = 3


class RequestRejected(ApiError):
    """400, 413, 422 and other 4xx: the service will not take this request however often it is sent."""

    exit_code = 3


class RateLimited(ApiError):
    """429, still, after every retry."""

    exit_code = 75


class ServerFailed(ApiError):
    """5xx, still, after every retry."""

    exit_code = 75


class InvalidAnswer(ApiError):
    """The status said success, but the body ended early or is not what it should be."""

    exit_code = 75


class ServiceUnreachable(HumeAnalyticsError, ConnectionError):
    """No connection could be made, or it broke before an answer, after every retry."""

    exit_code = 75


class OutcomeUnknown(HumeAnalyticsError):
    """A submission left this machine and its answer never came: it may or may not have been accepted.

    Attributes:
        status: The HTTP status, where an answer came that does not tell; else None.
        reason: What went wrong.
    """

    exit_code = 3

    def __init__(self, message: str, *, status: int | None = None, reason: str = "") -> None:
        self.status = status
        self.reason = reason
        super().__init__(message)


class WebhookRefused(HumeAnalyticsError, ValueError):
    """A webhook is not signed, or not as Hume signs, or not just now.

    Attributes:
        reason: In a word or two: ``not signed``, ``timestamp``, ``too old``, ``too early``, ``signature``.
    """

    exit_code = 3

    def __init__(self, message: str, *, reason: str = "") -> None:
        self.reason = reason
        super().__init__(message)


class WaitTimeout(HumeAnalyticsError, TimeoutError):
    """A deadline passed. Nothing is lost: the message names the command that goes on."""

    exit_code = 5


class Interrupted(HumeAnalyticsError):
    """The user stopped the run; the same command resumes it."""

    exit_code = 75
