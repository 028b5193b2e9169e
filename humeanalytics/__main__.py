"""``python -m humeanalytics`` and the ``humeanalytics`` command."""

from __future__ import annotations


def main() -> None:
    from humeanalytics.cli.app import run

    raise SystemExit(run())


if __name__ == "__main__":
    main()
