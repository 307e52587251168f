"""`Generator`: what a user holds."""

import os
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from wplus.arguments import check_noise, drawable, is_whole, own_transform, truncation, user_transform
from wplus.backends import Array, Backend, BackendName, Precision
from wplus.backends.choice import check_options, make_backend, open_bundle
from wplus.bundle import Bundle
from wplus.checkpoints.checkpoint import Checkpoint, Provenance
from wplus.checkpoints.fingerprint import fingerprint
from wplus.config import Config
from wplus.errors import UnsupportedError, WplusError
from wplus.facts import Facts
from wplus.inputs import Noise, NoiseMode, check_shape, labels, like, merge_noise, noise_constants
from wplus.latents import Latents, seeds_to_z
from wplus.manifest import NoiseVariant
from wplus.sampling import Batch, default_micro_batch, sample
from wplus.threads import usable_cpus


class Generator(Facts):
    """A network z -> w -> picture, or z -> picture, on some backend; made by `wplus.load` or `wplus.wrap`.

    One object may be called from many threads. It belongs to the process that made it: after a fork every call is an
    error, while pickling it (as `spawn` does) loads it again in the other process.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        name: str | None = None,
        device: str = "auto",
        backend: BackendName = "auto",
        precision: Precision = "exact",
        threads: int | None = None,
        batch: int | None = None,
    ) -> None:
        """Prepares a checkpoint to run; see `wplus.load` for the arguments."""
        check_options(backend, precision, threads, batch)
        threads = threads or usable_cpus()
        running = make_backend(checkpoint, backend=backend, device=device, precision=precision, threads=threads)
        self._hold(
            running,
            config=checkpoint.config,
            provenance=checkpoint.provenance,
            fingerprint=fingerprint(checkpoint.config, checkpoint.tensors),
            name=name,
            threads=threads,
            batch=batch,
            noise_consts=noise_constants(checkpoint),
            w_avg=checkpoint.tensors.get("mapping.w_avg"),
        )

    @classmethod
    def of_backend(
        cls,
        backend: Backend,
        *,
        config: Config,
        provenance: Provenance,
        fingerprint: str,
        name: str | None = None,
        threads: int,
        batch: int | None = None,
    ) -> Self:
        """A generator without W and without stored noise, out of a backend that runs already."""
        generator = cls.__new__(cls)
        generator._hold(
            backend,
            config=config,
            provenance=provenance,
            fingerprint=fingerprint,
            name=name,
            threads=threads,
            batch=batch,
        )
        return generator

    @classmethod
    def of_bundle(
        cls,
        bundle: Bundle,
        *,
        name: str | None = None,
        device: str = "auto",
        backend: BackendName = "auto",
        precision: Precision = "exact",
        threads: int | None = None,
        batch: int | None = None,
    ) -> Self:
        """A generator that draws with a bundle's graphs; see `wplus.load` for the arguments."""
        check_options(backend, precision, threads, batch)
        threads = threads or usable_cpus()
        running = open_bundle(bundle, backend=backend, device=device, precision=precision, threads=threads)
        manifest = bundle.manifest
        most = manifest.max_batch or default_micro_batch(bundle.config)
        generator = cls.__new__(cls)
        generator._hold(
            running,
            config=bundle.config,
            provenance=manifest.provenance,
            fingerprint=manifest.fingerprint,
            name=name,
            threads=threads,
            batch=batch or min(most, default_micro_batch(bundle.config)),
            noise_consts=bundle.noise_constants(),
            noise_variant=manifest.noise,
            maps="mapping" in manifest.graphs,
        )
        return generator

    def _hold(
        self,
        backend: Backend,
        *,
        config: Config,
        provenance: Provenance,
        fingerprint: str,
        name: str | None,
        threads: int,
        batch: int | None,
        noise_consts: dict[str, NDArray[np.float32]] | None = None,
        noise_variant: NoiseVariant = "input",
        w_avg: NDArray[np.float32] | None = None,
        maps: bool = True,
    ) -> None:
        self.config = config
        self.provenance = provenance
        self.name = name or provenance.source  # without folders: pictures carry it
        self.fingerprint = fingerprint
        self.micro_batch = batch or default_micro_batch(config)
        self.threads = threads
        self.tuning: str | None = None  # name of the file that its weights were changed by; `wplus.load` sets it
        self.reload: tuple[Any, ...] | None = None  # what pickling records; `wplus.load` sets it
        self._noise_consts = noise_consts or {}
        self._noise_variant = noise_variant  # of the graphs; "input" where every mode works, as in torch
        self._maps = maps and config.has_w  # whether z becomes w first, where anybody can see it
        self._w_avg = w_avg
        self._backend: Backend | None = backend
        self._pid = os.getpid()

    # What it is; more in `Facts`

    @property
    def has_w(self) -> bool:
        """Whether it has a W space, and shows it: a bundle of one graph does not."""
        return self._maps

    @property
    def w_avg(self) -> NDArray[np.float32]:
        """The mean w, `[w_dim]`."""
        self.style_config("w_avg")
        if self._w_avg is None:  # of a bundle: what psi 0 leaves of any z
            label = np.zeros((1, self.c_dim), np.float32) if self.c_dim else None
            self._w_avg = self.map(seeds_to_z([0], self.z_shape), label, 0.0, self.num_ws)[0, 0]
        return self._w_avg

    @property
    def noise_shapes(self) -> dict[str, tuple[int, int]]:
        """Height and width of each noise map, by the name that `noise` takes."""
        return {name: (value.shape[-2], value.shape[-1]) for name, value in self._noise_consts.items()}

    @property
    def noise_constants(self) -> dict[str, NDArray[np.float32]]:
        """The stored noise maps `[H, W]`, by the name that `noise` takes."""
        return dict(self._noise_consts)

    @property
    def backend(self) -> str:
        """Name of the runtime."""
        return self._running.name

    @property
    def network(self) -> Any:
        """The torch module that draws.

        Raises:
            UnsupportedError: another runtime draws.
        """
        network = getattr(self._running, "network", None)
        if network is None:
            raise UnsupportedError(f"{self.name} is run by {self.backend}, and this needs the network in PyTorch.")
        return network

    @property
    def bundle(self) -> Bundle | None:
        """The bundle whose graphs draw; None where a network in PyTorch does, or a graph that is no bundle."""
        bundle: Bundle | None = getattr(self._running, "bundle", None)
        return bundle

    @property
    def device(self) -> str:
        """Where it runs."""
        return self._running.device

    @property
    def dtype(self) -> str:
        """Type of the feature maps: "float32", or what "fast" chose."""
        return self._running.dtype

    @property
    def precision(self) -> Precision:
        """ "exact" or "fast"."""
        return self._running.precision

    def __repr__(self) -> str:
        h, w = self.img_shape
        return f"<Generator {self.name}: {self.family}, {w}x{h}, {self.fingerprint}>"

    # What it does

    def map(
        self,
        z: Array,
        c: Array | None = None,
        truncation_psi: float | Array = 1.0,
        truncation_cutoff: int | Array | None = None,
    ) -> Array:
        """z to ws.

        Args:
            z: `[N, z_dim]`, numpy or torch.
            c: `[N, c_dim]` or `[1, c_dim]`, needed exactly when the network is conditional.
            truncation_psi: One number, or one per sample `[N]`; 1 changes nothing, 0 gives the mean w.
            truncation_cutoff: Slots to truncate, one number or `[N]`, 0 for none; None: what the family does, which
                is all but in StyleGAN1, whose files store it.

        Returns:
            `[N, num_ws, w_dim]`, of z's kind and on its device.

        Raises:
            UnsupportedError: the family has no W space.
            ValueError: a shape does not fit, psi is not finite, or the cutoff is negative.
        """
        self.style_config("map")
        check_shape("z", z, self.z_shape, owner=self)
        options = truncation(self, truncation_psi, truncation_cutoff, len(z))
        return like(self._running.map(z, labels(c, len(z), self.c_dim), **options), z)

    def synthesize(
        self,
        ws: Array | Latents,
        noise_mode: NoiseMode = "const",
        noise: Noise | None = None,
        seeds: Sequence[int] | None = None,
        *,
        c: Array | None = None,
        truncation_psi: float | Array | None = None,
        truncation_cutoff: int | Array | None = None,
        transform: Array | None = None,
        resolution: int | None = None,
        allow_mismatch: bool = False,
    ) -> Array:
        """ws to pictures.

        Args:
            ws: `[N, num_ws, w_dim]`, or `Latents` of any space; where `has_w` is False, z `[N, *z_shape]`.
            noise_mode: "const": the stored maps; "random": drawn from `seeds`; "none".
            noise: `{name: [N or 1, 1, H, W]}`, used in place of the maps of that name; see `noise_shapes`.
            seeds: One per sample, for the noise mode "random".
            c: `[N, c_dim]` or `[1, c_dim]`, the label of a z in a conditional network; a w has it in it already.
            truncation_psi: Of a z, in a bundle of one graph; elsewhere `map` takes it, and a w has it in it already.
            truncation_cutoff: Likewise.
            transform: StyleGAN3's user transform `[3, 3]` or `[N, 3, 3]`, already inverted as NVIDIA's is; see
                `wplus.transforms.user_transform`. None: that of the `Latents`, if they have one.
            resolution: StyleGAN2 of the architecture skip, in PyTorch: stops at that resolution's block, whose running
                picture comes back; much cheaper, and about the whole picture in small.
            allow_mismatch: Draw latents of another generator, with a warning.

        Returns:
            float32 `[N, C, H, W]`, about [-1, 1], not clamped; of the input's kind and on its device.

        Raises:
            LatentMismatchError: the latents belong to another generator.
            UnsupportedError: a transform, truncation or resolution is given to a network that has none, or a bundle was
                exported without what is asked for.
            ValueError: a shape, a noise map, a label or `seeds` does not fit.
        """
        on_the_way = {"c": c, "truncation_psi": truncation_psi, "truncation_cutoff": truncation_cutoff}
        latents, options = drawable(self, ws, on_the_way, allow_mismatch=allow_mismatch)
        maps = self._noise(ws, noise_mode, noise, seeds, len(latents))
        user = user_transform(self, own_transform(ws) if transform is None else transform, len(latents))
        if not is_whole(self, resolution):
            options["resolution"] = resolution
        return like(self._running.synthesize(latents, maps, transform=user, **options), latents)

    def images(
        self,
        ws: Array | Latents,
        noise_mode: NoiseMode = "const",
        noise: Noise | None = None,
        seeds: Sequence[int] | None = None,
        *,
        c: Array | None = None,
        truncation_psi: float | Array | None = None,
        truncation_cutoff: int | Array | None = None,
        transform: Array | None = None,
        allow_mismatch: bool = False,
    ) -> Array:
        """Pictures as bytes, uint8 `[N, H, W, C]`: clamp(round-down(x * 127.5 + 128), 0, 255); see `synthesize`."""
        on_the_way = {"c": c, "truncation_psi": truncation_psi, "truncation_cutoff": truncation_cutoff}
        latents, options = drawable(self, ws, on_the_way, allow_mismatch=allow_mismatch)
        maps = self._noise(ws, noise_mode, noise, seeds, len(latents))
        user = user_transform(self, own_transform(ws) if transform is None else transform, len(latents))
        return like(self._running.images(latents, maps, transform=user, **options), latents)

    def sample(
        self,
        seeds: Iterable[int],
        c: Array | None = None,
        truncation_psi: float = 1.0,
        truncation_cutoff: int | None = None,
        noise_mode: NoiseMode = "const",
        *,
        transform: Array | None = None,
    ) -> Iterator[Batch]:
        """Pictures of seeds, a batch at a time; see `wplus.sampling.sample`."""
        return sample(
            self,
            seeds,
            c=c,
            truncation_psi=truncation_psi,
            truncation_cutoff=truncation_cutoff,
            noise_mode=noise_mode,
            transform=transform,
        )

    def close(self) -> None:
        """Frees everything; later calls are errors."""
        if self._backend is not None:
            self._backend.close()
            self._backend = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        if self.reload is None:
            raise TypeError(
                "This Generator was not made from a file, so it does not know how to load itself again. "
                "Make it in the other process."
            )
        return self.reload

    # How

    @property
    def _running(self) -> Backend:
        if os.getpid() != self._pid:
            raise WplusError(
                f"This Generator belongs to the process {self._pid} and was carried into {os.getpid()} by a fork, "
                "where its threads do not exist. Load it in the new process, or start processes with the method spawn."
            )
        if self._backend is None:
            raise WplusError(f"This Generator ({self.name}) is closed. Load it again.")
        return self._backend

    def _noise(
        self, latents: Array | Latents, mode: NoiseMode, given: Noise | None, seeds: Sequence[int] | None, count: int
    ) -> Noise | None:
        """The noise maps as a backend takes them."""
        if given is None and isinstance(latents, Latents):
            given = latents.noise or None
        check_noise(self, self._noise_variant, mode, given)
        return merge_noise(self._noise_consts, mode, given, seeds, count)
