"""plan.json: what was measured on one machine, and what `load` therefore runs there.

`wplus prepare` writes it into a bundle. Following it measures and writes nothing.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar, get_args

from wplus.backends import BackendName, Precision
from wplus.bundle import MANIFEST, Bundle
from wplus.errors import ArtifactError
from wplus.files import whole_file
from wplus.machine import machine, versions

PLAN_FILE = "plan.json"
FORMAT_VERSION = 1

_FORMAT = "wplus-plan"
_LARGEST_BATCH = 65536
_KINDS: dict[Any, tuple[type, ...]] = {str: (str,), int: (int,), float: (int, float), Precision: (str,)}
_Record = TypeVar("_Record", "Measurement", "Choice")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One runtime at one precision and batch size, on a graph whose parity it has passed."""

    backend: str
    device: str
    precision: Precision
    dtype: str  # of the feature maps
    batch: int
    ms: float  # of a batch, median
    first_ms: float  # of the first batch after loading
    load_s: float  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What to run, and in micro-batches of which size."""

    backend: str
    device: str
    precision: Precision  # "exact" for a wish "fast" too, where that is faster
    batch: int
    ms: float  # of a picture


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What was measured, where, and what follows from it."""

    made_for: Mapping[str, str]  # what `machine` said
    versions: Mapping[str, str]  # of wplus and of each runtime measured
    threads: int  # of the CPU
    fingerprint: str
    manifest_sha256: str
    measurements: tuple[Measurement, ...]
    choices: Mapping[Precision, tuple[Choice, ...]]  # by wish, the fastest first
    left_out: tuple[str, ...]  # runtimes that were not measured, and why
    path: Path | None = field(default=None, compare=False)  # where it was read from

    def differences(self, bundle: Bundle, *, threads: int, with_torch: bool = False) -> list[str]:
        """In sentences, what is other here than where it was made; empty: it holds.

        Args:
            bundle: What it is to be used for.
            threads: CPU threads that are asked for.
            with_torch: Whether torch may be chosen; if not, its version does not matter.
        """
        here, own = machine(), dict(self.versions)
        if not with_torch:
            own.pop("torch", None)
        found = versions(*own)
        sentences = [
            f"{name}: {here.get(name, 'unknown')} here, {value} there"
            for name, value in self.made_for.items()
            if here.get(name) != value
        ]
        sentences += [
            f"{name} {found.get(name, 'is not installed')} here, {value} there"
            for name, value in own.items()
            if found.get(name) != value
        ]
        if threads != self.threads:
            sentences.append(f"{threads} threads here, {self.threads} there")
        if manifest_sha256(bundle) != self.manifest_sha256:
            sentences.append(f"it was made for another bundle (of {self.fingerprint})")
        return sentences

    def choose(self, wish: Precision, *, backend: BackendName, device: str, with_torch: bool = False) -> Choice | None:
        """The fastest of what was measured that serves the wish on that backend and device, if any does."""
        for choice in self.choices[wish]:
            fits = (backend in ("auto", choice.backend)) and (device == "auto" or _same_device(device, choice.device))
            if fits and (with_torch or choice.backend != "torch"):
                return choice
        return None


def manifest_sha256(bundle: Bundle) -> str:
    """SHA-256 of the bundle's manifest, and with it of every file that the manifest lists."""
    return hashlib.sha256((bundle.folder / MANIFEST).read_bytes()).hexdigest()


def write_plan(path: Path, plan: Plan) -> None:
    """Writes a plan, whole or not at all.

    Raises:
        ArtifactError: the file cannot be written.
    """
    values = {name: value for name, value in asdict(plan).items() if name != "path"}
    text = json.dumps({"format": _FORMAT, "format_version": FORMAT_VERSION} | values, indent=1)
    with whole_file(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def read_plan(source: str | Path) -> Plan:
    """The plan in a file, or in a bundle.

    Raises:
        ArtifactError: it is missing, damaged, or of a newer format.
    """
    path = Path(source).expanduser()
    path = path / PLAN_FILE if path.is_dir() else path
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise ArtifactError(
            f"The plan {path} could not be read: {exc.strerror or exc}. wplus prepare makes one."
        ) from exc
    except (ValueError, RecursionError) as exc:
        raise ArtifactError(f"{path} is damaged: it is no JSON. wplus prepare writes it anew.") from exc
    try:
        return _parse(values, path)
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise ArtifactError(
            f"{path} is no plan that this version reads ({exc}). wplus prepare writes it anew."
        ) from exc


def _parse(values: Any, path: Path) -> Plan:
    if values["format"] != _FORMAT:
        raise ValueError(f"its format is {values['format']!r}")
    if values["format_version"] > FORMAT_VERSION:
        raise ValueError(f"its format is version {values['format_version']}, this reads {FORMAT_VERSION}: update wplus")
    return Plan(
        made_for=_texts(values["made_for"]),
        versions=_texts(values["versions"]),
        threads=int(values["threads"]),
        fingerprint=str(values["fingerprint"]),
        manifest_sha256=str(values["manifest_sha256"]),
        measurements=tuple(_record(Measurement, value) for value in values["measurements"]),
        choices={
            wish: tuple(_record(Choice, value) for value in values["choices"][wish]) for wish in get_args(Precision)
        },
        left_out=tuple(map(str, values["left_out"])),
        path=path,
    )


def _texts(values: Any) -> dict[str, str]:
    return {str(name): str(value) for name, value in values.items()}


def _record(kind: type[_Record], values: Any) -> _Record:
    for known in fields(kind):
        value = values[known.name]
        if not isinstance(value, _KINDS[known.type]) or isinstance(value, bool):
            raise ValueError(f"{known.name} is {value!r}")
    record = kind(**values)
    if record.precision not in get_args(Precision) or record.backend not in get_args(BackendName):
        raise ValueError(f"backend {record.backend!r}, precision {record.precision!r}")
    if not 1 <= record.batch <= _LARGEST_BATCH:
        raise ValueError(f"batch is {record.batch}")
    return record


def _same_device(wanted: str, measured: str) -> bool:
    """Whether they are one: "cuda" is the first of its kind."""
    return wanted == measured or wanted == f"{measured}:0" or f"{wanted}:0" == measured
