"""What one case is about: a network as a checkpoint, as a bundle, or as both."""

import logging
import time
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

import wplus
from wplus.benchmarks.cases import Case, read_network
from wplus.benchmarks.contestants import Entry
from wplus.benchmarks.families import FAMILIES
from wplus.bundle import Bundle, is_bundle, read_bundle
from wplus.checkpoints import Checkpoint, fingerprint, write_checkpoint
from wplus.config import Config, StyleConfig
from wplus.errors import ArtifactError, WplusError
from wplus.latents import seeds_to_z
from wplus.networks import build_network

_log = logging.getLogger(__name__)

_TRUNCATION_PSI = 0.7


class Subject:
    """The network of a case.

    Args:
        case: Whose network is a checkpoint or a bundle.
        folder: For files that nobody needs afterwards.
        bundles: Where exported bundles stay and are found again; None: they go to `folder`.
        against: The checkpoint that the case's bundle was made from, as `wplus.load` takes it; None: it is not known.
        threads: Of the CPU.

    Raises:
        ArtifactError: the bundle is damaged, of another network than `against`, or not made to draw what that draws.
        UnsupportedError: the checkpoint is of a family that the baseline does not know.
    """

    def __init__(
        self, case: Case, *, folder: Path, bundles: Path | None = None, against: str | None = None, threads: int
    ) -> None:
        self.checkpoint: Checkpoint | None = None
        self.export_seconds: float | None = None  # None as long as nothing was exported
        self._bundle: Bundle | None = None
        self._refusal: WplusError | None = None  # why there is none
        self._folder, self._bundles, self._threads = folder, bundles or folder, threads
        self.network: str | StyleConfig | None = case.network  # what a fresh process reads the checkpoint from
        if isinstance(case.network, str) and is_bundle(Path(case.network).expanduser()):
            self._bundle = read_bundle(Path(case.network).expanduser())
            self.network = against
        self.config: Config
        if self.network is None:
            assert self._bundle is not None
            self.config = self._bundle.config
        else:
            self.checkpoint, self.config = read_network(self.network)
        if self._bundle is not None and self.checkpoint is not None:
            _check_comparable(self._bundle, self.checkpoint)

    @property
    def has_bundle(self) -> bool:
        """Whether there is one already."""
        return self._bundle is not None

    @property
    def flops(self) -> int | None:
        """Floating-point operations of one picture; None in a family whose are not counted."""
        kind = type(self.config)
        return FAMILIES[kind].flops(self.config) if issubclass(kind, StyleConfig) and kind in FAMILIES else None

    def bundle(self) -> Bundle:
        """The bundle, exported with its certificate at the first call, if need be.

        Raises:
            ParityError: no runtime draws what the network draws.
            UnsupportedError: the network cannot be exported.
        """
        if self._refusal is not None:
            raise self._refusal
        if self._bundle is None:
            try:
                self._bundle = self._export()
            except WplusError as exc:
                self._refusal = exc
                raise
        return self._bundle

    def file(self) -> Path:
        """The checkpoint in our own format."""
        assert self.checkpoint is not None
        path = self._folder / f"{self._name}.safetensors"
        if not path.exists():
            write_checkpoint(path, self.checkpoint)
        return path

    def latents(self, count: int, entry: Entry) -> Tensor:
        """What is drawn: the ws `[count, num_ws, w_dim]` of seeds 0, 1, ..., or their z where no w can be seen.

        Of the first class where there are classes. `entry` is a contestant that can map where there is no checkpoint.
        """
        z = seeds_to_z(range(count), self.config.z_shape)
        if self.checkpoint is None:
            how: dict[str, Any] = {"backend": entry.backend, "precision": entry.precision, "device": "cpu"}
            with wplus.load(self.bundle().folder, threads=self._threads, **how) as G:
                label = torch.eye(G.c_dim).numpy()[:1] if G.c_dim else None
                return torch.from_numpy(G.map(z, label, _TRUNCATION_PSI) if G.has_w else z)
        assert isinstance(self.config, StyleConfig)
        c = torch.eye(self.config.c_dim)[:1].expand(count, -1) if self.config.c_dim else None
        psi, cutoff = torch.full((count,), _TRUNCATION_PSI), torch.full((count,), self.config.num_ws)
        with torch.inference_mode():
            ws: Tensor = cast(Any, build_network(self.checkpoint)).map(torch.from_numpy(z), c, psi, cutoff)
        return ws.clone()

    @property
    def _name(self) -> str:
        """Of files: what the network is, and which."""
        assert self.checkpoint is not None
        which = fingerprint(self.checkpoint.config, self.checkpoint.tensors).removeprefix("wplus1:")
        return f"{self.config.family}-{self.config.img_resolution}-{which}"

    def _export(self) -> Bundle:
        from wplus.export import export_bundle  # and with it onnx, which is not to be in what a contestant takes

        assert self.checkpoint is not None
        outdir = self._bundles / self._name
        if is_bundle(outdir):
            return read_bundle(outdir)
        _log.info("benchmark: exporting %s", self.checkpoint.provenance.source)
        start = time.perf_counter()
        bundle = export_bundle(self.checkpoint, outdir, threads=self._threads)
        self.export_seconds = time.perf_counter() - start
        return bundle


def _check_comparable(bundle: Bundle, checkpoint: Checkpoint) -> None:
    found = fingerprint(checkpoint.config, checkpoint.tensors)
    if bundle.manifest.fingerprint != found:
        raise ArtifactError(
            f"{bundle.folder} is the bundle of {bundle.manifest.fingerprint}, and {checkpoint.provenance.source} is "
            f"{found}: another network. Compare it with the checkpoint that it was made from."
        )
    manifest = bundle.manifest
    if "mapping" not in manifest.graphs or manifest.noise == "none" or manifest.output == "uint8":
        raise ArtifactError(
            f"{bundle.folder} does not draw what {checkpoint.provenance.source} is timed on, which is float32 pictures "
            "with noise from w: it was exported with --single, --noise=none or --output=uint8. Leave --against out."
        )
