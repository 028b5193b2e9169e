"""The ``humeanalytics`` command: all its sub-commands, and how errors become messages and exit codes."""

from __future__ import annotations

import signal
import sys
import threading
import traceback
from importlib import import_module
from typing import Annotated

import typer

from humeanalytics.errors import HumeAnalyticsError

app = typer.Typer(
    name="humeanalytics",
    help="Score recordings with Hume AI in bulk, keep every answer, ask it anything in SQL.",
    epilog="Start with: humeanalytics demo",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


def _version(wanted: bool) -> None:
    if wanted:
        from humeanalytics import __version__

        typer.echo(f"humeanalytics {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    pass


#: What the parser of the command line makes of Ctrl-C.
_INTERRUPTED = 130
#: Modules of commands, in the order in which help lists them. Importing one registers its commands.
_COMMANDS = ("demo", "scoring", "exporting", "asking", "searching", "summaries", "pictures", "upkeep", "listening", "serving")


def _register() -> None:
    for name in _COMMANDS:
        import_module(f"humeanalytics.cli.{name}")


def run(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 done, 1 a bug, 2 wrong use, and the others of `errors`."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # a container that stops us gets a clean end too
    _register()
    try:
        code = app(args=arguments, standalone_mode=False)
    except HumeAnalyticsError as error:
        for note in getattr(error, "__notes__", ()):
            print(note, file=sys.stderr)
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except (typer.Abort, KeyboardInterrupt):
        print("stopped", file=sys.stderr)
        return 75
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has had enough of it
        return 0
    except Exception as error:
        return _other(error)
    if code == _INTERRUPTED:
        print("stopped", file=sys.stderr)
        return 75
    return code if isinstance(code, int) else 0


def _other(error: Exception) -> int:
    show = getattr(error, "show", None)
    if callable(show):  # wrong use, as the parser of the command line found it
        show()
        return int(getattr(error, "exit_code", 2))
    if isinstance(error, OSError) and error.errno == 28:
        print(f"error: The disk is full ({error}). Make room and run the same command again; nothing is lost.", file=sys.stderr)
        return 75
    traceback.print_exception(error)
    print("This is a bug in humeanalytics. The same command may be run again; nothing received is lost.", file=sys.stderr)
    return 1
