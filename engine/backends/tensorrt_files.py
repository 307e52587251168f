"""Where engines lie: in a bundle, made ahead of time and listed in its engines.json, or in the user's cache."""

import hashlib
import json
import logging
import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, get_type_hints

from filelock import FileLock

from wplus.bundle import Bundle, write_json
from wplus.cache import cache_folder
from wplus.errors import ArtifactError
from wplus.files import whole_file

_log = logging.getLogger(__name__)

LIST = "engines.json"
FORMAT_VERSION = 1
_AGAIN = "Make the engines again: wplus export --tensorrt-rtx."


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineKey:
    """What an engine was built from and for; it serves nothing else."""

    flavour: str  # "tensorrt" or "tensorrt-rtx"
    version: str  # of that library: engines are read by the very version that built them
    capability: str  # of the GPU, "8.6"
    gpu: str = ""  # its name; empty where any of the capability will do
    graph: str  # "mapping", "synthesis" or "generator"
    graph_sha256: str
    fingerprint: str  # of the network
    precision: str  # of the graph
    tf32: bool  # whether float32 products may be rounded
    max_batch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRecord(EngineKey):
    """An engine in a bundle."""

    file: str
    sha256: str
    bytes: int


def read_list(folder: Path) -> list[EngineRecord]:
    """The engines that a bundle lists; none where it has no list.

    Raises:
        ArtifactError: the list cannot be read, or is of a newer format.
    """
    path = folder / LIST
    if not path.exists():
        return []
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        version = content["format_version"]
        if isinstance(version, int) and version > FORMAT_VERSION:
            raise ArtifactError(f"{path} has the format version {version}: a newer wplus wrote it. Update wplus.")
        return [_record(entry) for entry in content["engines"]]
    except OSError as exc:
        raise ArtifactError(f"{path} cannot be read: {exc.strerror or exc}.") from exc
    except (ValueError, TypeError, KeyError, RecursionError) as exc:
        raise ArtifactError(f"{path} is no list of engines ({type(exc).__name__}: {exc}). {_AGAIN}") from exc


def write_list(folder: Path, records: Iterable[EngineRecord]) -> None:
    """Writes the list of a bundle's engines.

    Raises:
        ArtifactError: it cannot be written.
    """
    entries = [asdict(record) for record in sorted(records, key=lambda record: record.file)]
    write_json(folder / LIST, {"format_version": FORMAT_VERSION, "engines": entries})


def bundled_engine(bundle: Bundle, key: EngineKey) -> tuple[bytes, EngineRecord] | None:
    """The engine in the bundle that serves the key; None, and a line in the log, where those there serve another.

    An engine serves every GPU of its compute capability, any number of samples, in parts, and, since it rounds less,
    also who would allow TF32.

    Raises:
        ArtifactError: the list or the engine is damaged.
    """
    of_graph = [record for record in read_list(bundle.folder) if record.graph == key.graph]
    for record in of_graph:
        if _serves(record, key):
            return _read_engine(bundle.folder, record), record
    if of_graph:
        there = ", ".join(f"{record.flavour} {record.version} for {record.capability}" for record in of_graph)
        _log.info(
            "The bundle's engines of %s (%s) are not for this network, GPU and version (%s %s, %s).",
            key.graph,
            there,
            key.flavour,
            key.version,
            key.capability,
        )
    return None


def cached_engine(key: EngineKey, build: Callable[[], bytes]) -> bytes:
    """The engine in the user's cache, built first if it is not there; two processes that race build it once.

    Raises:
        ArtifactError: the cache cannot be written.
        UnsupportedError: `build` finds that the graph cannot be built.
    """
    path = _cached_path(key)
    if not path.exists():  # asked without the lock: a cache that cannot be written serves what is there
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(path.with_name(f"{path.name}.lock")):
                if not path.exists():
                    _log.info("Building the engine of %s for %s, which can take minutes: %s", key.graph, key.gpu, path)
                    with whole_file(path) as temporary:
                        temporary.write_bytes(build())
        except OSError as exc:
            raise ArtifactError(f"The cache {path.parent} cannot be written: {exc.strerror or exc}.") from exc
    return path.read_bytes()


def is_there(bundle: Bundle, key: EngineKey) -> bool:
    """Whether an engine that serves the key lies in the bundle or in the cache.

    Raises:
        ArtifactError: the bundle's list cannot be read.
    """
    of_graph = (record for record in read_list(bundle.folder) if record.graph == key.graph)
    return any(_serves(record, key) for record in of_graph) or _cached_path(key).exists()


def timings_file(version: str, gpu: str) -> Path:
    """Where TensorRT keeps what it measured on a kind of GPU."""
    return cache_folder("engines") / f"timings-{_plain(gpu)}-{_plain(version)}"


def _cached_path(key: EngineKey) -> Path:
    return cache_folder("engines") / f"{_digest(key)}-{_plain(key.fingerprint)}-{key.graph}-{key.precision}.engine"


def _serves(record: EngineRecord, key: EngineKey) -> bool:
    same = ("flavour", "version", "capability", "graph_sha256", "fingerprint", "precision")
    return all(getattr(record, name) == getattr(key, name) for name in same) and record.tf32 <= key.tf32


def _read_engine(folder: Path, record: EngineRecord) -> bytes:
    path = folder / record.file
    try:
        engine = path.read_bytes()
    except OSError as exc:
        raise ArtifactError(f"{path} cannot be read: {exc.strerror or exc}. {_AGAIN}") from exc
    if hashlib.sha256(engine).hexdigest() != record.sha256:
        raise ArtifactError(f"{path} is not the file that {LIST} lists: it was cut short or changed. {_AGAIN}")
    return engine


def _record(entry: dict[str, Any]) -> EngineRecord:
    """One entry of the list, which nobody vouches for."""
    record = EngineRecord(**entry)
    kinds = get_type_hints(EngineRecord)
    wrong = [field.name for field in fields(record) if type(getattr(record, field.name)) is not kinds[field.name]]
    if wrong or Path(record.file).name != record.file or record.max_batch < 1:
        raise ValueError(f"an entry's {', '.join(wrong) or 'file or max_batch'} cannot be")
    return record


def _digest(key: EngineKey) -> str:
    return hashlib.sha256(json.dumps(asdict(key), sort_keys=True).encode()).hexdigest()[:16]


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "_", text.rpartition(":")[2])
