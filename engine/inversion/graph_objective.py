"""The loss of pictures against their targets, and its gradients, by a bundle's graph of a step; needs no torch."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wplus.backends import Precision
from wplus.backends.arrays import to_numpy
from wplus.backends.graphs import StepSession, first_line, is_finite, sizes
from wplus.bundle import GRADIENT, LOSS_FACTORS, STEP, Bundle, Port
from wplus.errors import ParityError, UnsupportedError, WplusError
from wplus.generator import Generator
from wplus.inversion.spaces import NOISE

RUNTIMES = {"onnxruntime": "wplus.backends.onnx_runtime", "openvino": "wplus.backends.open_vino"}

_ONCE = ("target", "weight", LOSS_FACTORS)  # inputs that are no latents


class GraphObjective:
    """One step of inversion in a runtime: forward and backward in one graph.

    It may be called from many threads.

    Args:
        bundle: Whose manifest names the graph.
        session: That graph, open.
        name: Of the runtime.
        device: Where it runs.
        precision: What was asked for.
        dtype: Type of the feature maps.
    """

    def __init__(
        self, bundle: Bundle, session: StepSession, *, name: str, device: str, precision: Precision, dtype: str
    ) -> None:
        assert bundle.manifest.inversion is not None
        self.name, self.device, self.dtype = name, device, dtype
        self.precision: Precision = precision
        self._bundle, self._spec = bundle, bundle.manifest.inversion
        self._session = session

    @property
    def keys(self) -> tuple[str, ...]:
        """What `latents` must hold: "ws" or "z", with noise as inputs "noise/<name>", "transform", "c"."""
        return tuple(_key(port) for port in self._spec.inputs if port.name not in _ONCE)

    @property
    def gradient_keys(self) -> tuple[str, ...]:
        """Those of `keys` by which there is a gradient: all but "c"."""
        names = {port.name.removeprefix(GRADIENT) for port in self._spec.outputs}
        return tuple(_key(port) for port in self._spec.inputs if port.name in names)

    @property
    def losses(self) -> tuple[str, ...]:
        """The losses that the graph computes; see `wplus.inversion.losses`."""
        return self._bundle.manifest.inversion_losses

    def factors(self, loss: str) -> NDArray[np.float32]:
        """Those of the graph's losses `[1, len(losses)]` that make one of them.

        Raises:
            ValueError: it is none of them.
        """
        if loss not in self.losses:
            raise ValueError(f"loss is {loss!r}; this graph computes {', '.join(self.losses)}.")
        return np.array([[name == loss for name in self.losses]], np.float32)

    def __call__(
        self,
        latents: Mapping[str, Any],
        targets: NDArray[Any],
        weights: NDArray[Any] | None,
        factors: NDArray[Any] | None = None,
    ) -> tuple[NDArray[np.float32], dict[str, NDArray[np.float32]]]:
        """Loss and gradients of its sum.

        Args:
            latents: By key, see `keys`; each `[B, ...]`, or `[1, ...]` for all pictures. A transform may be left out.
            targets: `[B, C, H, W]`, about [-1, 1].
            weights: `[B, 1, H, W]` of at least 0; None: 1 everywhere.
            factors: Of the graph's losses, `[B, len(losses)]` or `[1, len(losses)]`; None: the first one.

        Returns:
            Loss `[B]`, and by the keys of `gradient_keys` what has the shape of each latent.

        Raises:
            ValueError: a key is missing or unknown, or a shape does not fit.
            ParityError: the runtime gives numbers that are not finite.
        """
        feeds = self._feeds(latents, targets, weights, factors)
        count = len(feeds["target"])
        most = self._bundle.manifest.max_batch or max(count, 1)
        starts = range(0, count, most)
        parts = [self._run({name: feed[start : start + most] for name, feed in feeds.items()}) for start in starts]
        ports = self._spec.outputs
        if not parts:
            parts = [[np.empty((0, *sizes(port)), np.float32) for port in ports]]
        outputs = parts[0] if len(parts) == 1 else [np.concatenate(part) for part in zip(*parts, strict=True)]
        return outputs[0], dict(zip(self.gradient_keys, outputs[1:], strict=True))

    def close(self) -> None:
        """Frees the graph."""
        self._session.close()

    def _feeds(
        self,
        latents: Mapping[str, Any],
        targets: NDArray[Any],
        weights: NDArray[Any] | None,
        factors: NDArray[Any] | None,
    ) -> dict[str, NDArray[np.float32]]:
        given: dict[str, Any] = {"transform": np.eye(3)[None]} if "transform" in self.keys else {}
        given |= latents
        if set(given) != set(self.keys):
            raise ValueError(
                f"latents has {', '.join(map(str, latents)) or 'nothing'}; this graph takes {', '.join(self.keys)}."
            )
        plain = np.ones((1, 1, *self._bundle.config.img_shape), np.float32)
        given |= {"target": targets, "weight": plain if weights is None else weights}
        given[LOSS_FACTORS] = self.factors(self.losses[0]) if factors is None else factors
        count = len(targets)
        return {port.name: self._feed(port, given[_key(port)], count) for port in self._spec.inputs}

    def _feed(self, port: Port, value: Any, count: int) -> NDArray[np.float32]:
        values = to_numpy(value, runtime=self.name)
        shape = (count, *sizes(port))
        if values.shape not in (shape, (1, *shape[1:])):
            raise ValueError(f"{_key(port)} is {list(values.shape)}; {list(shape)} is needed.")
        return np.require(np.broadcast_to(values, shape), np.float32, ["C", "W"])

    def _run(self, feeds: dict[str, NDArray[np.float32]]) -> list[NDArray[Any]]:
        try:
            outputs = self._session.run_all(feeds)
        except WplusError:
            raise
        except Exception as exc:  # the runtimes' errors share no narrower base
            raise WplusError(f"{self.name} ({self.device}) could not run {STEP}.onnx: {first_line(exc)}") from exc
        if all(map(is_finite, outputs)) or not all(map(is_finite, feeds.values())):
            return outputs
        raise ParityError(
            f"{self.name} on {self.device} ({self.precision}, {self.dtype}) gives a loss or gradients that are not "
            "finite. Use another backend or precision='exact', and check the bundle: wplus verify."
        )


def open_step(G: Generator, *, precision: Precision | None = None) -> GraphObjective:
    """The step of inversion of a bundle, on the runtime that draws it.

    Args:
        G: What `wplus.load(BUNDLE)` gives.
        precision: None: that in which it draws. A runtime whose pictures fall short may give good gradients.

    Raises:
        UnsupportedError: G is no bundle, its bundle has no such graph, or its runtime does not run it.
        ParityError: that runtime was found to give other gradients than the network.
    """
    bundle = G.bundle
    if bundle is None or bundle.manifest.inversion is None:
        what = "is no bundle and so" if bundle is None else "is a bundle that"
        raise UnsupportedError(f"{G.name} {what} has no {STEP}: wplus export --inversion NETWORK OUTDIR")
    if G.backend not in RUNTIMES:
        raise UnsupportedError(
            f"{G.name} is run by {G.backend}, and {STEP} by {' or '.join(RUNTIMES)}: load it with one of these."
        )
    objective = open_objective(
        bundle, G.backend, device=G.device, precision=precision or G.precision, threads=G.threads
    )
    record = _record_of(bundle, objective)
    if record is None or not record["passed"]:
        objective.close()
        way = f"{objective.name} on {objective.device} ({objective.precision}, {objective.dtype})"
        why = "it was not compared with the network" if record is None else "; ".join(record["reasons"])
        raise ParityError(
            f"{way} is not certified for {STEP} of {bundle.folder}: {why}. Load the bundle with another backend or "
            "precision='exact', or certify it here: wplus export --inversion."
        )
    return objective


def open_objective(bundle: Bundle, backend: str, *, device: str, precision: Precision, threads: int) -> GraphObjective:
    """The step on a runtime, certified or not.

    Args:
        bundle: Whose manifest names the graph.
        backend: One of `RUNTIMES`.
        device: As of `wplus.load`, "auto" apart.
        precision: "exact" or "fast".
        threads: Of the CPU.

    Raises:
        UnsupportedError: it cannot run here.
        ArtifactError: it cannot read the graph.
    """
    module: Any = import_module(RUNTIMES[backend])
    spec = bundle.manifest.inversion
    session, dtype = module.open_step(bundle, spec, device=device, precision=precision, threads=threads)
    return GraphObjective(bundle, session, name=backend, device=device, precision=precision, dtype=dtype)


def _record_of(bundle: Bundle, objective: GraphObjective) -> dict[str, Any] | None:
    """What the certificate says of the runtime; float32 on a CPU is one thing by both names of precision."""
    for record in bundle.parity().get("inversion", []):
        same = (record["backend"], record["dtype"]) == (objective.name, objective.dtype)
        kind = objective.device.partition(":")[0]
        is_float = kind == "cpu" and record["dtype"] == "float32"
        if same and record["device"] == kind and (record["precision"] == objective.precision or is_float):
            return dict(record)
    return None


def _key(port: Port) -> str:
    """What a caller calls an input."""
    return port.name if port.name in ("ws", "z", "c", "transform", *_ONCE) else f"{NOISE}{port.name}"
