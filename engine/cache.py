"""The user's cache: networks from URLs, bundles exported on demand, engines built for this machine."""

import json
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from filelock import FileLock, Timeout
from platformdirs import user_cache_path

from wplus.errors import ArtifactError

Kind = Literal["downloads", "bundles", "engines"]

KEY_FILE = "key.json"  # in a cached bundle: what its name stands for; its time says when the bundle was last used

_COMPANIONS = (".lock", ".tag")  # of an entry, and no entries themselves


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing in the cache."""

    kind: Kind
    key: str  # its name there
    path: Path
    network: str  # whose it is, as far as that is known
    precision: str
    size: int  # bytes
    last_used: float  # seconds since 1970


def cache_folder(kind: Kind) -> Path:
    """Where things of a kind are kept; it need not exist."""
    return user_cache_path("wplus") / kind


def entries() -> list[Entry]:
    """Everything that is there, whole or not."""
    found = [_entry(kind, path) for kind in get_args(Kind) for path in _children(cache_folder(kind))]
    return sorted(found, key=lambda entry: (entry.kind, entry.key))


def remove(doomed: Iterable[Entry]) -> list[Entry]:
    """Removes what no other process is making just now, and returns what it removed.

    Raises:
        ArtifactError: something cannot be removed.
    """
    removed = []
    for entry in doomed:
        try:
            with FileLock(_lock_of(entry.path), timeout=0):
                remove_whole(entry.path)
                entry.path.with_name(f"{entry.key}.tag").unlink(missing_ok=True)
            removed.append(entry)
        except Timeout:
            continue
        except OSError as exc:
            raise ArtifactError(f"{entry.path} cannot be removed: {exc.strerror or exc}.") from exc
    return removed


def remove_whole(path: Path) -> None:
    """Removes a file, or a folder under another name: nobody ever finds half of it."""
    if not path.is_dir():
        path.unlink()
        return
    grave = Path(tempfile.mkdtemp(dir=path.parent, prefix=".removed-"))
    path.replace(grave / path.name)
    shutil.rmtree(grave)


def _lock_of(path: Path) -> Path:
    """What the process that makes an entry holds; a bundle's temporary name is hidden and random at its end."""
    name = path.name[1:].rpartition("-")[0] if path.name.startswith(".") else path.name.removesuffix(".part")
    return path.with_name(f"{name}.lock")


def _children(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.suffix not in _COMPANIONS] if folder.is_dir() else []


def _entry(kind: Kind, path: Path) -> Entry:
    files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
    key = _read_key(path / KEY_FILE) if kind == "bundles" else {}
    if kind == "bundles" and not key:
        network = "unfinished or being made" if path.name.startswith(".") else "unknown"
    else:
        network = str(key.get("network") or path.name.partition("-")[2] or path.name)
    stamp = path / KEY_FILE if key else path
    return Entry(
        kind=kind,
        key=path.name,
        path=path,
        network=network,
        precision=str(key.get("precision", "")),
        size=sum(file.stat().st_size for file in files),
        last_used=stamp.stat().st_mtime,
    )


def _read_key(path: Path) -> dict[str, Any]:
    try:
        key = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return key if isinstance(key, dict) else {}
