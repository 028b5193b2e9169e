"""``python -m humeanalytics.sandbox``: a sandbox as a process of its own."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace

from humeanalytics.sandbox.options import read_options
from humeanalytics.sandbox.serving import serve


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m humeanalytics.sandbox", description="Run a local Hume until interrupted.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8765, help="0 takes a free port")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--state", metavar="DIR", help="keep jobs here; without, they are gone at the end")
    parser.add_argument("--faults", metavar="FILE", help="JSON file with a list of fault rules")
    parser.add_argument("--api-key", help="accept this key only")
    parser.add_argument("--queue-s", type=float, help="seconds a job stays queued")
    parser.add_argument("--run-s", type=float, help="seconds a job runs at least")
    parser.add_argument(
        "--option",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="set an option of SandboxOptions, for example expression_delay_s=0.2; can be given more than once",
    )
    given = parser.parse_args()
    try:
        pace = {name: value for name in ("queue_s", "run_s") if (value := getattr(given, name)) is not None}
        options = replace(read_options(given.option), **pace)
        serve(given.host, given.port, given.seed, given.state, given.faults, api_key=given.api_key, options=options)
    except (OSError, ValueError, RuntimeError) as error:
        sys.exit(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
