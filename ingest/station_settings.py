"""How a docking station is set up: one TOML file (docs/docking.md, "The station's configuration")."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ingest.manifest import Name
from storage.errors import Refused

FILE = Path("/etc/liuhen/dock.toml")
MOUNTS = (Path("/run/liuhen/cards"), Path("/media"), Path("/run/media"))


def _check_folder(value: object) -> object:
    path = Path(str(value))
    if not path.is_absolute():
        raise ValueError("a path here is absolute, it begins with /")
    return path


Absolute = Annotated[Path, BeforeValidator(_check_folder)]


class StationSettings(BaseModel):
    """`mounts`: a file system mounted below one of these is a card. `folders`: a folder in one of these is a card (for
    cameras that show themselves as folders, such as MTP). `cameras`: quarantine serial → the camera's true serial.
    `ca`: certificates (PEM) behind the server's. `wipe`: "safe" wipes a card as soon as it is safe. Times in seconds.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    server: Annotated[str, Field(pattern=r"^https?://[^\s/?#]+[^\s?#]*$", max_length=500)]
    ca: Absolute | None = None
    station_key: Absolute
    state: Absolute = Path("/var/lib/liuhen-dock")
    mounts: tuple[Absolute, ...] = MOUNTS
    folders: tuple[Absolute, ...] = ()
    wipe: Literal["never", "safe"] = "never"
    at_once: Annotated[int, Field(ge=1, le=32)] = 4
    patience: Annotated[float, Field(gt=0, le=86400)] = 120.0
    rescan: Annotated[float, Field(ge=0.1, le=3600)] = 10.0
    heartbeat: Annotated[float, Field(ge=0.1, le=3600)] = 30.0
    cameras: dict[str, Name] = Field(default_factory=dict)


def load(path: Path | None, given: Mapping[str, Any]) -> StationSettings:
    """The file's settings (None: no file), `given` (from the command line, None: not given) over them.

    Raises Refused that names the file, the field and what is wrong with it.
    """
    fields: dict[str, Any] = {}
    where = str(path) if path else f"--server, --station, {FILE}"
    if path is not None:
        try:
            fields = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise _unusable(where, error.strerror or "unreadable") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise _unusable(where, str(error)) from error
    fields |= {name: value for name, value in given.items() if value is not None}
    try:
        return StationSettings.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        why = "missing" if first["type"] == "missing" else first["msg"]
        raise _unusable(where, f"{'.'.join(map(str, first['loc']))}: {why}") from error


def _unusable(where: str, why: str) -> Refused:
    return Refused(
        f"采集站配置（{where}）有误：{why}；请参照 docs/docking.md 修改。",
        f"the station's configuration ({where}) is wrong: {why}; docs/docking.md says what may be in it",
    )
