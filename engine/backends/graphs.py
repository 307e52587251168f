"""The graphs of a bundle as a backend, whatever runtime executes them."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wplus.backends import Array, Precision
from wplus.backends.arrays import to_bytes, to_numpy
from wplus.bundle import Bundle, GraphSpec, Port
from wplus.config import StyleConfig
from wplus.errors import ParityError, UnsupportedError, WplusError

Feeds = Mapping[str, NDArray[Any]]


class Session(Protocol):
    """One graph, open in a runtime. It may be called from many threads."""

    def run(self, feeds: Feeds) -> NDArray[Any]:
        """The graph's output.

        Args:
            feeds: Every input by name, contiguous and writable, of the graph's types, one number of samples in all.

        Returns:
            An array that is the caller's alone.
        """

    def close(self) -> None:
        """Frees the graph."""


class StepSession(Protocol):
    """A graph of many outputs, open in a runtime. It may be called from many threads."""

    def run_all(self, feeds: Feeds) -> list[NDArray[Any]]:
        """The graph's outputs in their order; see `Session.run`."""

    def close(self) -> None:
        """Frees the graph."""


class GraphBackend:
    """See `Backend`; numpy comes back.

    Args:
        bundle: Whose graphs they are.
        sessions: "mapping" and "synthesis", "generator" alone, or, in a family without W, "synthesis" alone.
        name: Of the runtime.
        device: Where it runs.
        precision: What was asked for.
        dtype: Type of the feature maps.
    """

    def __init__(
        self,
        bundle: Bundle,
        sessions: Mapping[str, Session],
        *,
        name: str,
        device: str,
        precision: Precision,
        dtype: str,
    ) -> None:
        self.name, self.device, self.dtype = name, device, dtype
        self.precision: Precision = precision
        self._bundle = bundle
        self._sessions = dict(sessions)
        self._constants = bundle.noise_constants()

    @property
    def bundle(self) -> Bundle:
        """Whose graphs it runs."""
        return self._bundle

    def map(self, z: Array, c: Array | None, psi: Array, cutoff: Array) -> NDArray[np.float32]:
        """See `Backend.map`.

        Raises:
            UnsupportedError: the bundle has no graph from z to ws, or an input asks for a gradient.
            ParityError: the runtime gives numbers that are not finite.
        """
        if "mapping" not in self._sessions:
            raise UnsupportedError(
                "This bundle has one graph from z to picture (--single), so no w ever leaves it. Draw z with sample or "
                "images, or make a bundle of two graphs: wplus export NETWORK OUTDIR without --single."
            )
        return self._run("mapping", {"z": z, "c": c, "truncation_psi": psi, "truncation_cutoff": cutoff}, len(z))

    def synthesize(
        self,
        latents: Array,
        noise: Mapping[str, Array] | None,
        *,
        c: Array | None = None,
        transform: Array | None = None,
        psi: Array | None = None,
        cutoff: Array | None = None,
    ) -> NDArray[np.float32]:
        """See `Backend.synthesize`.

        Args:
            psi: `[N]`, where one graph leads from z to picture.
            cutoff: `[N]` int64, likewise.

        Raises:
            UnsupportedError: the graph gives bytes, or an input asks for a gradient.
            ParityError: the runtime gives numbers that are not finite.
        """
        if self._bundle.manifest.output == "uint8":
            raise UnsupportedError(
                "This bundle draws bytes (--output=uint8): call images. For float32 pictures make another bundle: "
                "wplus export NETWORK OUTDIR --output=float."
            )
        return self._draw(latents, noise, c=c, transform=transform, truncation_psi=psi, truncation_cutoff=cutoff)

    def images(
        self,
        latents: Array,
        noise: Mapping[str, Array] | None,
        *,
        c: Array | None = None,
        transform: Array | None = None,
        psi: Array | None = None,
        cutoff: Array | None = None,
    ) -> NDArray[np.uint8]:
        """See `Backend.images` and `synthesize`."""
        img = self._draw(latents, noise, c=c, transform=transform, truncation_psi=psi, truncation_cutoff=cutoff)
        return img if img.dtype == np.uint8 else to_bytes(img)

    def close(self) -> None:
        """Frees the graphs."""
        for session in self._sessions.values():
            session.close()
        self._sessions.clear()

    def _draw(self, latents: Array, noise: Mapping[str, Array] | None, **given: Array | None) -> NDArray[Any]:
        graph = "generator" if "generator" in self._sessions else "synthesis"
        maps = {name: value[None, None] for name, value in self._constants.items()} if noise is None else noise
        return self._run(graph, {"ws": latents, "z": latents, **given, **maps}, len(latents))

    def _run(self, graph: str, given: Mapping[str, Array | None], count: int) -> NDArray[Any]:
        """The output for `count` samples, in parts where the bundle limits their number."""
        spec = self._bundle.manifest.graphs[graph]
        output = spec.outputs[0]
        if count == 0:
            return np.empty((0, *sizes(output)), output.dtype)
        feeds = {port.name: self._feed(port, given.get(port.name), count) for port in spec.inputs}
        most = self._bundle.manifest.max_batch or count
        parts = [
            self._run_part(graph, {name: feed[start : start + most] for name, feed in feeds.items()})
            for start in range(0, count, most)
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _run_part(self, graph: str, feeds: Feeds) -> NDArray[Any]:
        try:
            result = self._sessions[graph].run(feeds)
        except WplusError:
            raise
        except Exception as exc:  # the runtimes' errors share no narrower base
            raise WplusError(f"{self.name} ({self.device}) could not run {graph}.onnx: {first_line(exc)}") from exc
        if is_finite(result) or not all(is_finite(feed) for feed in feeds.values()):
            return result
        raise ParityError(
            f"{self.name} on {self.device} ({self.precision}, {self.dtype}) gives numbers that are not finite for the "
            f"graph {graph}. Use another backend or precision='exact', and check the bundle: wplus verify."
        )

    def _feed(self, port: Port, value: Array | None, count: int) -> NDArray[Any]:
        """One input as the graph takes it: what was given, or what stands for nothing given."""
        values = self._neutral(port) if value is None else to_numpy(value, runtime=self.name)
        shape = (count, *sizes(port))
        return np.require(values if values.shape == shape else np.broadcast_to(values, shape), port.dtype, ["C", "W"])

    def _neutral(self, port: Port) -> NDArray[Any]:
        if port.name == "transform":
            return np.eye(3)
        if port.name == "truncation_psi":
            return np.ones(1)
        if port.name == "truncation_cutoff":
            config = self._bundle.config
            assert isinstance(config, StyleConfig)
            return np.full(1, config.num_ws)
        return np.zeros(1)  # a noise map


def precision_reasons(bundle: Bundle, precision: Precision) -> list[str]:
    """Why no runtime can draw the bundle in that precision; empty if one can."""
    own = bundle.manifest.precision
    if precision == "fast" or own == "fp32":
        return []
    return [
        f"the bundle's graphs are {own}, and precision is 'exact', which is float32 throughout: ask for "
        "precision='fast' (--precision=fast), or make the bundle that serves it: "
        "wplus export NETWORK OUTDIR --precision=fp32"
    ]


def empty_outputs(spec: GraphSpec, count: int) -> list[NDArray[Any]]:
    """Arrays for a graph's outputs, for `count` samples."""
    return [np.empty((count, *sizes(port)), port.dtype) for port in spec.outputs]


def first_line(exc: Exception) -> str:
    """What an error of a runtime says, in a line."""
    return next((line.strip()[:300] for line in str(exc).splitlines() if line.strip()), type(exc).__name__)


def sizes(port: Port) -> tuple[int, ...]:
    """A port's shape without the batch."""
    return tuple(int(side) for side in port.shape[1:])


def is_finite(values: NDArray[Any]) -> bool:
    """Whether no number is NaN or infinite; the extremes carry both, and cost no array of their own."""
    return values.dtype.kind != "f" or bool(np.isfinite(values.min()) and np.isfinite(values.max()))
