"""Every setting, with its default and its limit. Read from the environment (prefix LIUHEN_) by `bootstrap` only."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """One frozen object. The defaults run everything on one machine, in `./liuhen-data`, with no other service."""

    model_config = SettingsConfigDict(env_prefix="LIUHEN_", frozen=True, extra="ignore")

    data: Path = Path("liuhen-data")
    """The data directory: database, blobs, spool, ledger, keys, policy."""
    host: str = "127.0.0.1"
    port: int = Field(default=8470, ge=0, le=65535)
    unit: str = "应急管理局"
    """The bureau's name, on pages and on the explanation of an export."""
    origin: str = "liuhen.local/log"
    """The ledger's name (C2SP origin). It can never change once the first entry is signed."""
    timezone: str = "Asia/Shanghai"
    database_url: str = ""
    """Empty: SQLite in the data directory. Else such as postgresql+psycopg://user@host/liuhen."""
    broker_url: str = ""
    """Empty: worker threads in this process. Else redis://… or amqp://…."""
    blobs: str = ""
    """Empty: local folders in the data directory. Else s3://bucket/prefix?endpoint=…; each tier gets its own prefix."""
    replica: str = ""
    """A second copy of all blobs that somebody else keeps up to date, in the same form: a folder with one sub-folder
    for each tier, or s3://…. Only read, to repair damaged files from. Empty: none."""
    key_passphrase: SecretStr | None = None
    """Of the ledger's signing key. Empty: a random one is kept beside the key, mode 0600 (see docs/operations.md)."""
    second_signatures: tuple[Literal["ml-dsa-44", "sm2"], ...] = ()
    """Second signatures under each checkpoint, as JSON: ["ml-dsa-44"] against quantum computers, ["sm2"] for 国密."""
    sm3: bool = False
    """Also make the SM3 digest of each original (国密) and put it into its entry."""
    pkcs11_module: Path | None = None
    """The PKCS#11 library of a hardware module that holds the ledger's key. None: the key is a file."""
    pkcs11_token: str = "liuhen"  # noqa: S105 - the name of the token, no secret
    pkcs11_pin: SecretStr | None = None
    guard: str = ""
    """Where the last signed checkpoint is kept. Empty: beside the keys. Else s3://bucket/key?endpoint=…."""
    workers: int = Field(default=2, ge=1, le=64)
    """Threads that carry out jobs in this process."""
    max_upload: int = Field(default=64 << 30, ge=1 << 20)
    """Bytes of one file; a larger one is refused before anything is written."""
    upload_ttl_hours: int = Field(default=72, ge=1, le=24 * 30)
    token_hours: int = Field(default=72, ge=1, le=24 * 30)
    """How long a docking's upload token is good; then the station docks again."""
    station_bodies: int = Field(default=16, ge=1, le=64)
    """Files that one station, or one person in a browser, may send at once to one server process (503 above it)."""
    station_unfinished: int = Field(default=256 << 30, ge=1 << 20)
    """Bytes that the unfinished uploads of one station, or one person, may have together (507 above it)."""
    max_waiting: int = Field(default=50_000, ge=0)
    """New uploads wait (503) while more files than this wait to be analysed; those under way go on."""
    slow_rate: int = Field(default=4096, ge=0)
    """Bytes a second: a sender slower than this over `slow_seconds` is given up; what arrived is kept."""
    slow_seconds: float = Field(default=60, ge=0.5, le=3600)
    min_free: int = Field(default=512 << 20, ge=0)
    """Bytes that must stay free on the data disk; uploads wait (503) below it."""
    watch: Path | None = None
    """A folder that cameras without a station copy their files into; None: no watched folder."""
    witness_policy: Path | None = None
    """A tlog-policy file with the witnesses that are asked to cosign the ledger. None: nobody is asked."""
    witness_seconds: float = Field(default=5, ge=0.1, le=3600)
    """The witnesses are asked at most this often."""
    secure_cookies: bool = False
    """Set behind HTTPS."""

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{(self.data / 'liuhen.db').absolute()}"

    @property
    def spool(self) -> Path:
        return self.data / "spool"

    @property
    def ledger(self) -> Path:
        return self.data / "ledger"

    @property
    def keys(self) -> Path:
        return self.data / "keys"

    @property
    def policy(self) -> Path:
        return self.data / "policy.yaml"
