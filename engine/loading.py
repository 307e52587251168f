"""`wplus.load`: from a checkpoint, wherever it lies, to a `Generator`."""

from pathlib import Path

from wplus.backends import BackendName, Precision
from wplus.checkpoints import read_checkpoint
from wplus.checkpoints.download import without_query
from wplus.generator import Generator


def load(
    source: str | Path,
    *,
    device: str = "auto",
    backend: BackendName = "auto",
    precision: Precision = "exact",
    threads: int | None = None,
    batch: int | None = None,
    sha256: str | None = None,
) -> Generator:
    """Loads a generator. Nothing in the file is executed.

    Args:
        source: A `.pkl` of NVIDIA's, a `.pt` of rosinality's, a DCGAN's `.pt`/`.pth`/`.tar`, our `.safetensors`, an
            https URL of one of these (kept in a cache), or "demo:portraits".
        device: "auto" (cuda, then mps, then cpu), or a name such as "cpu" or "cuda:1".
        backend: "auto" or "torch".
        precision: "exact": float32 throughout; "fast": half precision where the device is fast at it.
        threads: CPU threads; None: the CPUs that this process may use.
        batch: Size of the micro-batches that `sample` and `walk` run; None: by the network's size.
        sha256: What the file must have, 64 hex digits.

    Raises:
        CheckpointError: the file is missing, damaged, hostile, or holds no generator.
        UnsupportedError: the generator, backend or device is not supported.
    """
    generator = Generator(
        read_checkpoint(source, sha256=sha256),
        name=display_name(source),
        device=device,
        backend=backend,
        precision=precision,
        threads=threads,
        batch=batch,
    )
    options = {
        "device": device,
        "backend": backend,
        "precision": precision,
        "threads": threads,
        "batch": batch,
        "sha256": sha256,
    }
    generator.reload = (_reload, (str(source), options))
    return generator


def display_name(source: str | Path) -> str:
    """What a picture may say of where its network came from: no folders, and no keys in a URL."""
    text = str(source)
    if "://" in text:
        return without_query(text)
    return text if text.startswith("demo:") else Path(text).name


def _reload(source: str, options: dict[str, object]) -> Generator:
    return load(source, **options)  # type: ignore[arg-type]
