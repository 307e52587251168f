"""What is exported: a checkpoint's network, or one that a `Generator` draws with already."""

import copy
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wplus.checkpoints import read_checkpoint
from wplus.checkpoints.checkpoint import Checkpoint, Provenance
from wplus.config import Config
from wplus.generator import Generator
from wplus.inputs import noise_constants
from wplus.networks import build_network


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A network and all that its bundle says of it."""

    config: Config
    provenance: Provenance
    fingerprint: str
    noise: dict[str, NDArray[np.float32]]  # the stored maps, by name
    reference: Generator  # in PyTorch, exact: what the graphs are compared with
    build: Callable[[], Any]  # one more of the network, on the CPU, not prepared for any type yet
    is_wrapped: bool  # whether its fingerprint is to cover the graph, as nothing else holds the network's code

    @property
    def noise_shapes(self) -> dict[str, tuple[int, int]]:
        """Height and width of each map."""
        return {name: (value.shape[-2], value.shape[-1]) for name, value in self.noise.items()}

    @property
    def provenance_of_bundle(self) -> Provenance:
        """Where the bundle comes from; latents of a module in memory are its graph's too."""
        return replace(self.provenance, parent=self.fingerprint) if self.is_wrapped else self.provenance

    def fingerprint_of(self, graphs: Sequence[Path]) -> str:
        """The bundle's fingerprint: the network's own, or one over the graphs of a module, which hold its code."""
        if not self.is_wrapped:
            return self.fingerprint
        digest = hashlib.sha256(self.fingerprint.encode())
        for path in graphs:
            digest.update(path.read_bytes())
        return f"wplus1:{digest.hexdigest()[:16]}"


def subject_of(source: str | Path | Checkpoint | Generator, *, threads: int | None = None) -> Subject:
    """Reads what is to be exported.

    Raises:
        CheckpointError: the file holds no generator.
        UnsupportedError: it is a generator that another runtime than PyTorch runs.
    """
    if isinstance(source, Generator):
        return _of_generator(source)
    checkpoint = source if isinstance(source, Checkpoint) else read_checkpoint(source)
    reference = Generator(checkpoint, device="cpu", backend="torch", threads=threads)
    return Subject(
        config=checkpoint.config,
        provenance=checkpoint.provenance,
        fingerprint=reference.fingerprint,
        noise=noise_constants(checkpoint),
        reference=reference,
        build=lambda: build_network(checkpoint),
        is_wrapped=False,
    )


def _of_generator(generator: Generator) -> Subject:
    network = generator.network
    return Subject(
        config=generator.config,
        provenance=generator.provenance,
        fingerprint=generator.fingerprint,
        noise={},
        reference=generator,
        build=lambda: copy.deepcopy(network).cpu(),
        is_wrapped=True,
    )
