"""What the toolkit needs to know of its surroundings: keys, hosts, limits of its own, prices.

Flags come before the environment, before ``.env``, before ``humeanalytics.toml``, before the defaults here. What a scoring
should measure (models and their options) is not here: that is `humeanalytics.jobs.scoring_settings`.
"""

from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import AliasChoices, BaseModel, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from humeanalytics.errors import MissingKey, SettingsError

SETTINGS_FILE = "humeanalytics.toml"


def _environment(name: str, *aliases: str) -> AliasChoices:
    return AliasChoices(name, *aliases)


class BatchPrices(BaseModel):
    """Prices of v0 batch in US dollars, as public on ``as_of``; for estimates only.

    Source: Hume's public pricing page as recorded in May 2026.
    """

    as_of: date = date(2026, 5, 1)
    video_per_min: float = 0.0828
    audio_per_min: float = 0.0639
    image_each: float = 0.00204
    text_per_word: float = 0.00024


class Settings(BaseSettings):
    """Settings of one process. Create with `load_settings`, which turns mistakes into readable errors.

    Attributes ending in ``_s`` are seconds, in ``_bytes`` bytes.
    """

    model_config = SettingsConfigDict(
        env_prefix="HUMEANALYTICS_",
        env_file=".env",
        toml_file=SETTINGS_FILE,
        extra="ignore",
        populate_by_name=True,
        frozen=True,
    )

    api_key: SecretStr | None = Field(None, validation_alias=_environment("api_key", "HUME_API_KEY"))
    api_key_file: Path | None = Field(None, validation_alias=_environment("api_key_file", "HUME_API_KEY_FILE"))
    expression_api_key: SecretStr | None = Field(
        None, validation_alias=_environment("expression_api_key", "HUME_EXPRESSION_API_KEY")
    )
    secret_key: SecretStr | None = Field(None, validation_alias=_environment("secret_key", "HUME_SECRET_KEY"))
    webhook_signing_keys: SecretStr | None = Field(
        None,
        validation_alias=_environment("webhook_signing_keys", "HUME_WEBHOOK_SIGNING_KEYS", "HUME_WEBHOOK_SIGNING_KEY"),
    )
    """What EVI signs webhooks with: one key, or several with white space or commas between, while one replaces another."""
    webhook_signing_key_file: Path | None = Field(
        None, validation_alias=_environment("webhook_signing_key_file", "HUME_WEBHOOK_SIGNING_KEY_FILE")
    )
    base_url: str = Field("https://api.hume.ai", validation_alias=_environment("base_url", "HUME_BASE_URL"))
    expression_base_url: str = Field(
        "https://api.cloud.hume.ai", validation_alias=_environment("expression_base_url", "HUME_EXPRESSION_BASE_URL")
    )

    lake: str | None = None
    state: Path | None = None
    """Folder of the ledger when it is not in the lake (needed for a lake in a bucket)."""
    timezone: str = "UTC"
    """Only for display; what is stored and returned is UTC."""

    # HTTP
    connect_timeout_s: float = Field(10.0, gt=0)
    read_timeout_s: float = Field(120.0, gt=0)
    retry_first_s: float = Field(1.0, gt=0)
    retry_cap_s: float = Field(30.0, gt=0)
    retry_deadline_s: float = Field(300.0, ge=0)
    """Total time one request may spend on its retries; after it the last error is raised."""
    requests_per_s: float = Field(20.0, gt=0)
    """Where the adaptive limiter of a host starts, and its ceiling. EVI's history, of which four answers at most are awaited at
    once, has none unless this is set."""
    expression_read_timeout_s: float = Field(600.0, gt=0)
    """How long a v1 upload may stay without an answer: it is measured meanwhile, and an answer given up on is paid for."""
    expression_usd_per_s: float | None = Field(None, ge=0)
    """What a second billed by v1 costs you, for estimates: the price is not public."""
    expression_chunk_s: float = Field(780.0, ge=30, le=780)
    """Sound longer than this goes to v1 in several uploads, cut in silence. Shorter ones leave less in doubt when one is lost."""
    prepared_bytes: int = Field(200_000_000, ge=1)
    """So many bytes of sound and pictures may lie prepared for v1, or be under way, at once."""

    # v0 batch
    concurrency: int = Field(4, ge=1)
    """Uploads, and downloads of results, under way at once; of v1 at most."""
    files_per_job: int = Field(100, ge=1, le=100)
    job_size_bytes: int = Field(200_000_000, ge=1)
    """Local files are grouped into one job up to this many bytes together."""
    max_queued_jobs: int = Field(500, ge=1)
    """Jobs of this account that may wait at Hume at once (Hume's limit is 500)."""
    poll_first_s: float = Field(1.0, gt=0)
    poll_cap_s: float = Field(30.0, gt=0)
    settle_s: float = Field(60.0, ge=0)
    """How long after a lost answer the list of jobs (v1: of runs) must stay without it before it counts as never accepted."""
    wait_s: float = Field(6 * 3600.0, gt=0)
    """How long a run waits for results before it stops and says how to go on."""

    # lake
    load_files: int = Field(200, ge=1)
    """A load is committed when it holds the answers of this many recordings ..."""
    load_s: float = Field(15.0, gt=0)
    """... or when the oldest of them has waited this long."""

    # saved answers
    workers: int = Field(0, ge=0)
    """Processes that read saved answers at once; 0 is one for each core."""
    rows_held: int = Field(100_000, ge=1)
    """A saved answer with more rows than this is written piece by piece; what bounds the memory of a process."""
    archive_members: int = Field(200_000, ge=1)
    """So many files may be in an archive ..."""
    archive_member_bytes: int = Field(2 << 30, ge=1)
    """... each of them so large, unpacked ..."""
    archive_total_bytes: int = Field(32 << 30, ge=1)
    """... all together so large, unpacked ..."""
    archive_ratio: int = Field(100, ge=1)
    """... and so many times larger than packed. What goes beyond is refused as an attack."""

    batch_prices: BatchPrices = BatchPrices()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, dotenv_settings, TomlConfigSettingsSource(settings_cls)

    def key(self) -> str:
        """Return the key for v0 and EVI.

        Raises:
            MissingKey: There is none; the message says how to set it.
        """
        if self.api_key is not None and self.api_key.get_secret_value().strip():
            return self.api_key.get_secret_value().strip()
        if self.api_key_file is not None:
            try:
                key = self.api_key_file.read_text(encoding="utf-8").strip()
            except OSError as error:
                raise SettingsError(
                    f"HUME_API_KEY_FILE names {self.api_key_file}, which cannot be read: {error.strerror}."
                ) from error
            if key:
                return key
        raise MissingKey.for_host(urlsplit(self.base_url).hostname or self.base_url)

    def expression_key(self) -> str:
        """Return the key for v1: its own, else the one for v0 and EVI.

        Raises:
            MissingKey: There is neither; the message says how to set one.
        """
        if self.expression_api_key is not None and self.expression_api_key.get_secret_value().strip():
            return self.expression_api_key.get_secret_value().strip()
        try:
            return self.key()
        except MissingKey:
            raise MissingKey.for_host(urlsplit(self.expression_base_url).hostname or self.expression_base_url) from None

    def signing_keys(self) -> tuple[str, ...]:
        """Return the keys that webhooks of EVI are signed with: those of the setting and those of the file.

        Raises:
            SettingsError: The file cannot be read, or there is no key in it.
        """
        given = self.webhook_signing_keys.get_secret_value() if self.webhook_signing_keys is not None else ""
        keys = given.replace(",", " ").split()
        if self.webhook_signing_key_file is not None:
            try:
                told = self.webhook_signing_key_file.read_text(encoding="utf-8").replace(",", " ").split()
            except (OSError, UnicodeDecodeError) as error:
                raise SettingsError(
                    f"The file of signing keys, {self.webhook_signing_key_file}, cannot be read: {error}."
                ) from None
            if not told:
                raise SettingsError(f"There is no signing key in {self.webhook_signing_key_file}.")
            keys += told
        return tuple(dict.fromkeys(keys))


def load_settings(**flags: Any) -> Settings:
    """Return the settings in force here, with ``flags`` (those that are not None) before everything else.

    Raises:
        SettingsError: A value does not fit, or ``humeanalytics.toml`` names a setting that does not exist.

    Examples:
        >>> load_settings(concurrency=2).concurrency
        2
    """
    _check_settings_file(Path(SETTINGS_FILE))
    try:
        return Settings(**{name: value for name, value in flags.items() if value is not None})
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False, include_url=False)
        )
        raise SettingsError(
            f"A setting does not fit. {problems}. They come from flags, the environment, .env or {SETTINGS_FILE}."
        ) from None


def _check_settings_file(path: Path) -> None:
    """A misspelt name in the file would otherwise be ignored without a word."""
    if not path.is_file():
        return
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not valid TOML: {error}.") from None
    unknown = sorted(set(given) - set(Settings.model_fields))
    if unknown:
        raise SettingsError(
            f"{path} names settings that do not exist: {', '.join(unknown)}. There are: {', '.join(Settings.model_fields)}."
        )
