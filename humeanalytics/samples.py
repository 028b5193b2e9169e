"""Where the small samples that come with the package lie: recordings, texts, a manifest and saved predictions."""

from __future__ import annotations

from pathlib import Path

from humeanalytics.errors import UsageError


def samples_folder() -> Path:
    """Return the folder of the samples: inside the installed package, or beside it in a checkout.

    Raises:
        UsageError: The samples are missing from this installation.

    Examples:
        >>> sorted(path.suffix for path in (samples_folder() / "recordings").iterdir())
        ['.flac', '.mp4', '.txt', '.txt', '.wav']
    """
    package = Path(__file__).resolve().parent
    for folder in (package / "data", package.parent / "data"):
        # Any folder may be called "data": site-packages of another project, a user's own. Ours has both of these.
        if (folder / "manifest.csv").is_file() and (folder / "recordings").is_dir():
            return folder
    raise UsageError(
        f"The samples are missing: neither {package / 'data'} nor {package.parent / 'data'} holds them. "
        "Install humeanalytics again, or use files of your own."
    )


def sample(name: str) -> Path:
    """Return the path of one sample, by its name or its path inside the folder.

    Raises:
        UsageError: There is no such sample; the message lists those there are.

    Examples:
        >>> sample("007_interview.flac").name, sample("manifest.csv").name
        ('007_interview.flac', 'manifest.csv')
    """
    folder = samples_folder()
    for path in (folder / name, folder / "recordings" / name):
        if path.is_file() and path.resolve().is_relative_to(folder.resolve()):
            return path
    available = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*") if path.is_file())
    raise UsageError(f"There is no sample named {name!r}. There are: {', '.join(available)}.")
