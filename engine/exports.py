"""Bundles made on demand: a network is exported once into the user's cache, and found there again."""

import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from wplus.backends import Precision
from wplus.bundle import Bundle, read_bundle
from wplus.cache import KEY_FILE, cache_folder, remove_whole
from wplus.checkpoints import Checkpoint, fingerprint, read_checkpoint
from wplus.config import config_to_dict
from wplus.errors import ArtifactError, UnsupportedError, WplusError
from wplus.files import whole_file
from wplus.following import own_choice
from wplus.machine import PACKAGES, versions
from wplus.manifest import NoiseVariant
from wplus.plan import Choice

_log = logging.getLogger(__name__)

_EXPORTERS = ("wplus", "onnx", "onnxscript")  # beside the runtimes, which a certificate names


def exported(source: str | Path | Checkpoint, *, sha256: str | None = None) -> Bundle:
    """A certified bundle of a network, exported now unless the cache has it whole.

    Every noise map is an input, so that each noise mode works as it does in torch. The graphs are float32, which serves
    both precisions: a runtime's hint makes it fast.

    Args:
        source: A network as `wplus.load` takes it, or one that was read.
        sha256: What the source's file must have, 64 hex digits.

    Raises:
        CheckpointError: the source cannot be read.
        ParityError: no runtime draws what the network draws.
        UnsupportedError: a package is missing that exporting needs.
        ArtifactError: the cache cannot be written.
    """
    checkpoint = source if isinstance(source, Checkpoint) else read_checkpoint(source, sha256=sha256)
    key = _key(checkpoint)
    folder = _folder(key)
    bundle = _read(folder)
    if bundle is None:
        with _alone(folder):
            bundle = _read(folder) or _export(checkpoint, folder, key)  # another process may have made it meanwhile
    else:
        _log.info("%s: the bundle in %s is reused.", checkpoint.provenance.source, folder)
    _mark_used(folder)
    return bundle


def find_prepared(
    checkpoint: Checkpoint, *, wish: Precision, device: str, threads: int
) -> tuple[Bundle, Choice] | None:
    """What `wplus prepare` measured to be the fastest for a network here, torch included; None: it did not run.

    Nothing is exported, built, measured or removed.
    """
    if not cache_folder("bundles").is_dir():  # a large network's fingerprint takes a while
        return None
    folder = _folder(_key(checkpoint))
    if (bundle := _read(folder)) is None:
        return None
    _mark_used(folder)
    choice = own_choice(bundle, wish=wish, device=device, threads=threads, with_torch=True)
    return None if choice is None else (bundle, choice)


def export_to(checkpoint: Checkpoint, outdir: Path) -> Bundle:
    """A bundle as the cache has them, in a folder of the user's choice."""
    return _exporter()(checkpoint, outdir)


def _key(checkpoint: Checkpoint) -> dict[str, Any]:
    """All that the files of a bundle depend on, and the network's name for whoever looks."""
    return {
        "network": checkpoint.provenance.source,
        "family": checkpoint.config.family,
        "resolution": checkpoint.config.img_resolution,
        "fingerprint": fingerprint(checkpoint.config, checkpoint.tensors),
        "parent": checkpoint.provenance.parent,
        "config": config_to_dict(checkpoint.config),
        "precision": "fp32",
        "opset": "lowest",
        "noise": _noise(checkpoint),
        "single": False,
        "output": "float",
        "versions": versions(*_EXPORTERS, *PACKAGES),
    }


def _noise(checkpoint: Checkpoint) -> NoiseVariant:
    """The variant that serves every noise mode; "const" where there is no noise to choose."""
    return "input" if any(name.endswith(".noise_const") for name in checkpoint.tensors) else "const"


def _folder(key: dict[str, Any]) -> Path:
    """A name that says what it is, and differs wherever the key does; a network's file may have any name."""
    decisive = {name: value for name, value in key.items() if name != "network"}
    digest = hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:12]
    return cache_folder("bundles") / f"{key['family']}-{key['resolution']}-{key['precision']}-{digest}"


def _read(folder: Path) -> Bundle | None:
    """The bundle, None where there is none or a damaged one, which the log names."""
    if not folder.exists():
        return None
    try:
        return read_bundle(folder)
    except WplusError as exc:
        _log.warning("The cached bundle %s is damaged and not used. %s", folder, exc)
        return None


def _export(checkpoint: Checkpoint, folder: Path, key: dict[str, Any]) -> Bundle:
    name = checkpoint.provenance.source
    _log.info("%s: exporting it, once, to %s ...", name, folder)
    if folder.exists():
        remove_whole(folder)
    bundle = _exporter()(checkpoint, folder)
    with whole_file(folder / KEY_FILE) as temporary:
        temporary.write_text(json.dumps(key, indent=1) + "\n", encoding="utf-8")
    _log.info("%s: exported and certified.", name)
    return bundle


def _exporter() -> Callable[[Checkpoint, Path], Bundle]:
    """Writes a certified bundle; found when it is needed, since it needs torch and onnx.

    Raises:
        UnsupportedError: they are missing.
    """
    try:
        from wplus.export import ExportOptions, export_bundle
    except ModuleNotFoundError as exc:
        raise UnsupportedError(
            f"Exporting a network needs {exc.name}, which is not installed: pip install 'wplus[torch]'. A bundle that "
            "was exported elsewhere needs none of it."
        ) from exc

    def export(checkpoint: Checkpoint, outdir: Path) -> Bundle:
        return export_bundle(checkpoint, outdir, ExportOptions(noise=_noise(checkpoint)))

    return export


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """No other process exports to the folder meanwhile; one that does so already is waited for.

    Raises:
        ArtifactError: the cache cannot be written.
    """
    lock = FileLock(folder.with_name(f"{folder.name}.lock"))
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            _log.info("Another process is exporting to %s; waiting for it ...", folder)
            lock.acquire()
    except OSError as exc:
        raise ArtifactError(f"The cache {folder.parent} cannot be written: {exc.strerror or exc}.") from exc
    try:
        yield
    finally:
        lock.release()


def _mark_used(folder: Path) -> None:
    """For `wplus cache`; a cache that cannot be written serves all the same."""
    with suppress(OSError):
        os.utime(folder / KEY_FILE)
