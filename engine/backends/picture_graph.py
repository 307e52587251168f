"""One ONNX graph from z to picture, run by onnxruntime on the CPU."""

import tempfile
from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from wplus.backends import Array, Precision
from wplus.errors import ArtifactError, UnsupportedError
from wplus.picture_form import PictureForm

_TYPES: dict[str, type[np.floating[Any]]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
}
_WEIGHTS_FOLDER = "session.model_external_initializers_file_folder_path"
_PROVIDERS = ["CPUExecutionProvider"]


class PictureGraph:
    """An ONNX graph with the inputs z and, if conditional, c, and one output, the picture.

    Args:
        graph: The file's bytes, weights included.
        form: What it takes and gives.
        z_shape: Shape of one z.
        c_dim: Classes; 0: it takes no label.
        threads: Of the CPU.

    Raises:
        UnsupportedError: onnxruntime is not installed.
        ArtifactError: onnxruntime cannot run the graph.
        ValueError: its inputs or outputs are others than were said.
    """

    name = "onnxruntime"
    device = "cpu"
    precision: Precision = "exact"
    dtype = "float32"

    def __init__(self, graph: bytes, *, form: PictureForm, z_shape: tuple[int, ...], c_dim: int, threads: int) -> None:
        self._session: Any = _open(graph, threads)
        self._form = form
        self._inputs = _check_inputs(self._session, [z_shape, *([(c_dim,)] if c_dim else [])])
        batch = self._session.get_inputs()[0].shape[0]
        self._batch = batch if isinstance(batch, int) else None  # None: any

    def map(self, z: Array, c: Array | None, psi: Array, cutoff: Array) -> NoReturn:  # noqa: ARG002
        """Refused: the graph leads from z to the picture."""
        raise UnsupportedError("This graph leads from z to the picture and has no W.")

    def synthesize(
        self,
        latents: Array,
        noise: Mapping[str, Array] | None,  # noqa: ARG002
        *,
        c: Array | None = None,
        transform: Array | None = None,  # noqa: ARG002
    ) -> NDArray[np.float32]:
        """See `Backend.synthesize`; numpy comes back.

        Raises:
            UnsupportedError: an input asks for a gradient.
        """
        feeds = [_to_numpy(latents) * np.float32(self._form.z_scale), *([] if c is None else [_to_numpy(c)])]
        count = len(feeds[0])
        if count == 0:  # one all the same, for the shape of its picture
            feeds = [np.zeros((1, *feed.shape[1:]), np.float32) for feed in feeds]
        size = self._batch or len(feeds[0])
        starts = range(0, len(feeds[0]), size)
        parts = [self._run([feed[start : start + size] for feed in feeds], size) for start in starts]
        return np.ascontiguousarray(np.concatenate(parts)[:count], np.float32)

    def images(
        self,
        latents: Array,
        noise: Mapping[str, Array] | None,
        *,
        c: Array | None = None,
        transform: Array | None = None,  # noqa: ARG002
    ) -> NDArray[np.uint8]:
        """See `Backend.images`; numpy comes back."""
        img = self.synthesize(latents, noise, c=c)
        levels = np.clip(np.floor(img * np.float32(127.5) + np.float32(128)), 0, 255).astype(np.uint8)
        return np.ascontiguousarray(levels.transpose(0, 2, 3, 1))

    def close(self) -> None:
        """Frees the graph."""
        self._session = None

    def _run(self, feeds: list[NDArray[Any]], size: int) -> Array:
        """The pictures of at most `size` samples, padded to that many where the graph wants a fixed number."""
        count = len(feeds[0])
        padded = [np.concatenate([feed, np.repeat(feed[-1:], size - count, axis=0)]) for feed in feeds]
        named = {name: feed.astype(dtype) for (name, dtype), feed in zip(self._inputs, padded, strict=True)}
        (picture,) = self._session.run(None, named)
        return self._form.to_img(picture, size)[:count]


def _open(graph: bytes, threads: int) -> Any:
    try:
        import onnxruntime
    except ImportError as exc:
        raise UnsupportedError("Running an ONNX graph needs onnxruntime: pip install onnxruntime.") from exc
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    try:
        # Weights in other files would be found in the current folder, unseen by the fingerprint: an empty one is given.
        with tempfile.TemporaryDirectory(prefix="wplus-") as empty:
            options.add_session_config_entry(_WEIGHTS_FOLDER, empty)
            session = onnxruntime.InferenceSession(graph, options, providers=_PROVIDERS)
    except Exception as exc:  # onnxruntime's errors share no narrower base
        raise ArtifactError(
            f"onnxruntime cannot run the graph: {str(exc).splitlines()[0][:300]} Weights must be in the file itself."
        ) from exc
    assert session.get_providers() == _PROVIDERS
    return session


def _check_inputs(session: Any, shapes: list[tuple[int, ...]]) -> list[tuple[str, type[np.floating[Any]]]]:
    """Name and type of each input, in the order z, c."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    wanted = ["z", "c"][: len(shapes)]
    if len(inputs) != len(shapes):
        found = ", ".join(f"{node.name} {node.shape}" for node in inputs)
        raise ValueError(
            f"The graph takes {found}; {' and '.join(wanted)} alone are fed. A label needs c_dim; anything else must "
            "be fixed in the graph."
        )
    if len(outputs) != 1:
        raise ValueError(f"The graph gives {', '.join(node.name for node in outputs)}; the picture alone is needed.")
    for node, shape, name in zip(inputs, shapes, wanted, strict=True):
        own = list(node.shape[1:])
        fits = len(own) == len(shape) and all(a == b for a, b in zip(own, shape, strict=True) if isinstance(a, int))
        if not fits or node.type not in _TYPES:
            raise ValueError(
                f"The graph's input {node.name} is {node.type} {node.shape}; {name} is [N, {_text(shape)}]."
            )
    return [(node.name, _TYPES[node.type]) for node in inputs]


def _text(shape: tuple[int, ...]) -> str:
    return ", ".join(map(str, shape))


def _to_numpy(array: Array) -> NDArray[np.float32]:
    if getattr(array, "requires_grad", False):
        raise UnsupportedError(
            "An input asks for a gradient, and onnxruntime computes none. Pass it detached, or wrap the torch module."
        )
    if not isinstance(array, np.ndarray):
        array = array.cpu().numpy()
    return np.asarray(array, np.float32)
