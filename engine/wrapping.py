"""`wplus.wrap`: a `Generator` out of somebody's own network, a torch module or an ONNX graph from z to picture."""

import copy
import hashlib
import logging
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wplus.backends import Backend, Precision
from wplus.backends.choice import check_options
from wplus.checkpoints.checkpoint import Provenance
from wplus.config import WrappedConfig
from wplus.errors import ArtifactError, UnsupportedError
from wplus.generator import Generator
from wplus.picture_form import Layout, PictureForm
from wplus.probe import probe
from wplus.threads import usable_cpus

if TYPE_CHECKING:
    from torch import nn

_log = logging.getLogger(__name__)


def wrap(
    network: "nn.Module | str | Path",
    *,
    z_dim: int | None = None,
    z_shape: Sequence[int] | None = None,
    z_scale: float = 1.0,
    img_range: tuple[float, float] = (-1, 1),
    layout: Layout = "NCHW",
    c_dim: int = 0,
    name: str | None = None,
    device: str = "auto",
    precision: Precision = "exact",
    threads: int | None = None,
    batch: int | None = None,
) -> Generator:
    """A `Generator` of the family "plain" out of a module or an `.onnx` file, tried on a few z before it is returned.

    A module is copied, and the copy put in eval mode: training the original further changes nothing here. An ONNX
    graph runs in onnxruntime on the CPU, without gradients.

    The fingerprint of a graph covers its file; that of a module its state dict, class and printed structure, not its
    code. Both cover the sizes and the arguments here that change pictures. Nothing made of a module is cached on disk.

    Args:
        network: Called as module(z), or module(z, c) with c one-hot `[N, c_dim]`; or a file with such a graph.
        z_dim: Numbers in one z, for a network that takes `[N, z_dim]`.
        z_shape: Shape of one z otherwise, `(C, h, w)` for an autoencoder's decoder.
        z_scale: z is multiplied by it before the network sees it.
        img_range: What black and white are in the pictures: (-1, 1), (0, 1) or (0, 255).
        layout: Where the channels are. Grey pictures may come as `[N, H, W]`.
        c_dim: Classes; 0: unconditional.
        name: What pictures say that they were drawn with; None: the file's or the class's name.
        device: See `wplus.load`.
        precision: "fast" converts a module to the type that is fast on the device.
        threads: CPU threads; None: the CPUs that this process may use.
        batch: Size of micro-batches; None: by the pictures' size.

    Raises:
        ValueError: the network gives other shapes or another range than was said, or something that is no picture.
        ArtifactError: the file is missing, or onnxruntime cannot run it.
        UnsupportedError: the device or a package is missing.
    """
    check_options("auto", precision, threads, batch)
    shape = _z_shape(z_dim, z_shape)
    if c_dim < 0:
        raise ValueError(f"c_dim is {c_dim}; 0 (unconditional) or the number of classes is needed.")
    form = PictureForm(z_scale=z_scale, img_range=(float(img_range[0]), float(img_range[1])), layout=layout)
    threads = threads or usable_cpus()
    options = {"z_shape": shape, "z_scale": z_scale, "img_range": img_range, "layout": layout, "c_dim": c_dim}
    if isinstance(network, str | Path):
        path = Path(network).expanduser()
        backend, digest = _graph_backend(path, form, shape, c_dim, device, precision, threads)
        source, made_of = path.name, "ONNX graph"
    else:
        backend, digest = _module_backend(network, form, device, precision, threads)
        source, made_of = type(network).__name__, "torch module in memory"
    config = _config(probe(backend, form, z_shape=shape, c_dim=c_dim), shape, c_dim)
    generator = Generator.of_backend(
        backend,
        config=config,
        provenance=Provenance(source=source, sha256=digest, format=made_of),
        fingerprint=_fingerprint(digest, form, config),
        name=name,
        threads=threads,
        batch=batch,
    )
    if isinstance(network, str | Path):
        running = {"name": name, "device": device, "precision": precision, "threads": threads, "batch": batch}
        generator.reload = (_again, (str(path), options | running))
    return generator


def _config(picture: tuple[int, int, int], z_shape: tuple[int, ...], c_dim: int) -> WrappedConfig:
    channels, height, width = picture
    return WrappedConfig(
        z_dim=math.prod(z_shape),
        c_dim=c_dim,
        img_resolution=max(height, width),
        img_channels=channels,
        latent_shape=z_shape,
        picture_shape=(height, width),
    )


def _again(path: str, options: dict[str, Any]) -> Generator:
    return wrap(path, **options)


def _z_shape(z_dim: int | None, z_shape: Sequence[int] | None) -> tuple[int, ...]:
    shape = (z_dim,) if z_shape is None and z_dim is not None else tuple(z_shape or ())
    if not shape or not all(isinstance(side, int) and side >= 1 for side in shape):
        given = f"z_dim is {z_dim}, z_shape {z_shape}"
        raise ValueError(f"{given}; one of them is needed: z_dim=512, or z_shape=(4, 32, 32) for spatial latents.")
    if z_dim is not None and math.prod(shape) != z_dim:
        raise ValueError(f"z_dim is {z_dim}, and z_shape {shape} has {math.prod(shape)} numbers. Give one of the two.")
    return shape


def _graph_backend(
    path: Path,
    form: PictureForm,
    z_shape: tuple[int, ...],
    c_dim: int,
    device: str,
    precision: Precision,
    threads: int,
) -> tuple[Backend, str]:
    from wplus.backends.picture_graph import PictureGraph

    if path.suffix.lower() != ".onnx":
        raise ValueError(f"{path.name} is no .onnx file; wplus.load reads checkpoints.")
    if device not in ("auto", "cpu"):
        raise UnsupportedError(
            f"The device is {device!r}; a wrapped ONNX graph runs on the CPU. Wrap the torch module."
        )
    if precision != "exact":
        raise UnsupportedError("The precision of an ONNX graph is in the graph: leave precision='exact'.")
    try:
        graph = path.read_bytes()
    except OSError as exc:
        raise ArtifactError(f"{path} could not be read: {exc.strerror or exc}.") from exc
    return PictureGraph(graph, form=form, z_shape=z_shape, c_dim=c_dim, threads=threads), _sha256(graph)


def _module_backend(
    module: Any, form: PictureForm, device: str, precision: Precision, threads: int
) -> tuple[Backend, str]:
    try:
        from torch import nn

        from wplus.backends.eager import EagerBackend
        from wplus.networks.wrapped import WrappedModule
    except ImportError as exc:
        raise UnsupportedError("Wrapping a module needs torch: pip install 'wplus[torch]'.") from exc
    if not isinstance(module, nn.Module):
        raise TypeError(
            f"A {type(module).__name__} was given; a torch.nn.Module or the path of an .onnx file is needed."
        )
    if module.training:
        _log.info("%s is in training mode; a copy of it in eval mode is drawn.", type(module).__name__)
    try:
        own = copy.deepcopy(module).requires_grad_(False).eval()
    except Exception as exc:  # it is the user's code: it may raise anything
        raise ValueError(f"{type(module).__name__} cannot be copied: {type(exc).__name__}: {exc}") from exc
    digest = _module_digest(own)
    network = WrappedModule(own.float(), form)
    return EagerBackend(network, device=device, precision=precision, threads=threads), digest


def _module_digest(module: "nn.Module") -> str:
    """SHA-256 over a module's class, its printed structure, and its state dict sorted by name."""
    kind = type(module)
    structure = re.sub(r" at 0x[0-9a-fA-F]+", "", repr(module))  # addresses differ from run to run
    digest = hashlib.sha256(f"{kind.__module__}.{kind.__qualname__}\n{structure}\n".encode())
    for name, tensor in sorted(module.state_dict().items()):
        values = tensor.detach().cpu()
        array = np.asarray(values.float().numpy() if values.is_floating_point() else values.numpy(), order="C")
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        digest.update(f"{name} {array.dtype} {'x'.join(map(str, array.shape))}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _fingerprint(digest: str, form: PictureForm, config: WrappedConfig) -> str:
    """A generator's fingerprint out of its network's digest and what was said of it."""
    sizes = (config.latent_shape, config.c_dim, config.picture_shape, config.img_channels)
    return f"wplus1:{_sha256(f'family=plain {digest} {form} {sizes}'.encode())[:16]}"


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
