"""Which backend runs a network."""

from importlib import util
from typing import get_args

from wplus.backends import Backend, BackendName, Precision
from wplus.checkpoints.checkpoint import Checkpoint
from wplus.errors import UnsupportedError


def check_options(backend: str, precision: str, threads: int | None, batch: int | None) -> None:
    """Raises `ValueError` where an option of `wplus.load` is none of the known."""
    if backend not in get_args(BackendName):
        raise ValueError(f"backend is {backend!r}; known: {', '.join(get_args(BackendName))}.")
    if precision not in get_args(Precision):
        raise ValueError(f"precision is {precision!r}; known: {', '.join(get_args(Precision))}.")
    for name, value in (("threads", threads), ("batch", batch)):
        if value is not None and value < 1:
            raise ValueError(f"{name} is {value}; it must be at least 1.")


def make_backend(
    checkpoint: Checkpoint, *, backend: BackendName, device: str, precision: Precision, threads: int
) -> Backend:
    """The backend asked for; "auto" takes torch.

    Raises:
        UnsupportedError: that backend runs bundles, and this is a checkpoint.
    """
    if backend not in ("auto", "torch"):
        raise UnsupportedError(
            f"The backend {backend} runs exported bundles, and this version cannot export yet. "
            "Use backend='torch' (--backend=torch)."
        )
    if util.find_spec("torch") is None:
        raise UnsupportedError("Running a checkpoint needs torch, which is not installed: pip install 'wplus[torch]'.")
    from wplus.backends.eager import EagerBackend
    from wplus.networks import build_network

    return EagerBackend(build_network(checkpoint), device=device, precision=precision, threads=threads)
