"""`wplus.load`: from a checkpoint, wherever it lies, to a `Generator`."""

import logging
from importlib import util
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wplus.backends import BackendName, Precision
from wplus.backends.choice import check_options
from wplus.bundle import MANIFEST, Bundle, file_sum, is_bundle, read_bundle
from wplus.checkpoints.open_source import check_digest
from wplus.demo import bundle_folder
from wplus.errors import ArtifactError, UnsupportedError
from wplus.generator import Generator
from wplus.threads import usable_cpus

if TYPE_CHECKING:
    from wplus.checkpoints.checkpoint import Checkpoint
    from wplus.checkpoints.tuning import Tuning
    from wplus.plan import Choice, Plan

_log = logging.getLogger(__name__)


def load(
    source: str | Path,
    *,
    device: str = "auto",
    backend: BackendName = "auto",
    precision: Precision = "exact",
    threads: int | None = None,
    batch: int | None = None,
    sha256: str | None = None,
    plan: "Plan | str | Path | None" = None,
    tuning: "Tuning | str | Path | None" = None,
) -> Generator:
    """Loads a generator. Nothing in the file is executed.

    Args:
        source: A `.pkl` of NVIDIA's, a `.pt` of rosinality's, a DCGAN's `.pt`/`.pth`/`.tar`, our `.safetensors`, an
            https URL of one of these (kept in a cache), "demo:portraits", or the folder of a bundle.
        device: "auto" (cuda, then mps, then cpu), or a name such as "cpu" or "cuda:1".
        backend: "auto": what `wplus prepare` measured to be the fastest here; where it did not run, for a bundle a
            runtime that is certified for it, for a checkpoint torch. "torch". "onnxruntime", "openvino" or
            "tensorrt": a checkpoint is exported first, once, into a cache.
        precision: "exact": float32 throughout; "fast": half precision where the device is fast at it.
        threads: CPU threads; None: the CPUs that this process may use.
        batch: Size of the micro-batches that `sample` and `walk` run; None: by the network's size.
        sha256: What the file must have, 64 hex digits; of a bundle, its manifest.json.
        plan: What `wplus prepare` wrote, a plan.json or the bundle that it is in: it is followed or refused, and
            nothing is measured, built or written.
        tuning: Of a checkpoint: what `wplus.inversion.tuning.tune` made of its weights, or the file of that.

    Raises:
        CheckpointError: the file is missing, damaged, hostile, or holds no generator.
        ArtifactError: the bundle or the tuning is damaged, or the tuning is another generator's.
        UnsupportedError: the generator, backend or device is not supported, or the plan does not hold here.
        ParityError: the backend draws other pictures from the bundle than the network does.
    """
    check_options(backend, precision, threads, batch)
    how: dict[str, Any] = {
        "device": device,
        "backend": backend,
        "precision": precision,
        "threads": threads,
        "batch": batch,
    }
    name = display_name(source)
    folder = _folder(source, how, plan, tuning)
    if folder is not None:
        bundle = checked_bundle(folder, sha256)
        generator = Generator.of_bundle(bundle, name=name, **_planned(bundle, plan, how))
    elif plan is not None or backend in ("auto", "torch"):
        generator = _of_checkpoint(read_network(source, sha256=sha256, tuning=tuning), source, plan, name, how)
    else:
        from wplus.exports import exported

        bundle = exported(read_network(source, sha256=sha256, tuning=tuning))
        generator = Generator.of_bundle(bundle, name=name, **how)
    if isinstance(tuning, str | Path):
        generator.tuning = Path(tuning).name
    generator.reload = (_reload, (str(source), how | {"sha256": sha256, "plan": plan, "tuning": tuning}))
    return generator


def read_network(
    source: str | Path, *, sha256: str | None = None, tuning: "Tuning | str | Path | None" = None
) -> "Checkpoint":
    """The generator in a checkpoint, tuned where a tuning is given; see `load`.

    Raises:
        CheckpointError, UnsupportedError: the checkpoint cannot be read.
        ArtifactError: the tuning cannot be read, or is another generator's.
    """
    from wplus.checkpoints import read_checkpoint  # formats that a bundle does not need
    from wplus.checkpoints.tuning import Tuning

    if isinstance(tuning, str | Path):
        tuning = Tuning.load(tuning)
    checkpoint = read_checkpoint(source, sha256=sha256)
    return checkpoint if tuning is None else tuning.apply(checkpoint)


def _folder(
    source: str | Path, how: dict[str, Any], plan: "Plan | str | Path | None", tuning: "Tuning | str | Path | None"
) -> Path | None:
    """The bundle to draw with: the one that was named, or the demo's own where torch is not wanted or not there."""
    if is_bundle(path := Path(source).expanduser()):
        if tuning is not None:
            raise UnsupportedError(
                f"A tuning changes a network's weights, and those of the bundle {source} are in its graphs. Load the "
                "checkpoint that the bundle was made from."
            )
        return path
    if tuning is not None or plan is not None or how["backend"] in ("torch", "tensorrt"):
        return None
    if how["backend"] == "auto" and util.find_spec("torch") is not None:
        return None
    return bundle_folder(str(source))


def _planned(bundle: Bundle, plan: "Plan | str | Path | None", how: dict[str, Any]) -> dict[str, Any]:
    """How to run a bundle: as the plan says that was named, or for "auto" the one in the bundle."""
    if plan is None and how["backend"] != "auto":
        return how
    from wplus.following import follow, own_choice

    wish = {"wish": how["precision"], "device": how["device"], "threads": how["threads"] or usable_cpus()}
    if plan is not None:
        return _as_chosen(follow(bundle, plan, backend=how["backend"], **wish), how)
    return _as_chosen(own_choice(bundle, **wish), how)


def _of_checkpoint(
    checkpoint: "Checkpoint", source: str | Path, plan: "Plan | str | Path | None", name: str, how: dict[str, Any]
) -> Generator:
    """A checkpoint in torch, or in a bundle of it that was prepared."""
    wish = {"wish": how["precision"], "device": how["device"], "threads": how["threads"] or usable_cpus()}
    prepared = None
    if plan is not None:
        from wplus.following import follow_for

        prepared = follow_for(checkpoint, plan, backend=how["backend"], **wish)
    elif how["backend"] == "auto":
        from wplus.exports import find_prepared

        prepared = find_prepared(checkpoint, **wish)
    if prepared is None:
        generator = Generator(checkpoint, name=name, **how)
        if how["backend"] == "auto":
            _log.info("Drawn by torch. To find out whether another runtime is faster here: wplus prepare %s", source)
        return generator
    bundle, choice = prepared
    if choice.backend == "torch":
        return Generator(checkpoint, name=name, **_as_chosen(choice, how))
    return Generator.of_bundle(bundle, name=name, **_as_chosen(choice, how))


def _as_chosen(choice: "Choice | None", how: dict[str, Any]) -> dict[str, Any]:
    """The options with a plan's choice in them; a micro-batch that the user asked for stays."""
    if choice is None:
        return how
    chosen = {"backend": choice.backend, "device": choice.device, "precision": choice.precision}
    return how | chosen | {"batch": how["batch"] or choice.batch}


def checked_bundle(source: str | Path, sha256: str | None) -> Bundle:
    """The bundle in a folder; its digest is its manifest's, which has those of all other files.

    Raises:
        ArtifactError: it is damaged, or another one than `sha256` says.
    """
    bundle = read_bundle(Path(source).expanduser())
    if sha256 is not None:
        found = file_sum(bundle.folder / MANIFEST).sha256
        if found != check_digest(sha256):
            raise ArtifactError(
                f"{source}/{MANIFEST} has sha256 {found}; {sha256} was asked for. It is another bundle."
            )
    return bundle


def display_name(source: str | Path) -> str:
    """What a picture may say of where its network came from: no folders, and no keys in a URL."""
    text = str(source)
    if "://" in text:
        from wplus.checkpoints.download import without_query  # requests takes a while to import

        return without_query(text)
    return text if text.startswith("demo:") else Path(text).name


def _reload(source: str, options: dict[str, object]) -> Generator:
    return load(source, **options)  # type: ignore[arg-type]
