"""A walk's video as it is made today: NVIDIA's gen_video, one frame after the other, in NVIDIA's formulation.

Keyframes are mapped once. Then each frame's w is interpolated, its picture is synthesised eagerly, converted to bytes
on the spot, and handed to x264 before the next one is begun, at the bit rate that gen_video asks imageio for.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from wplus.benchmarks.baseline import NvidiaFormulation
from wplus.latents import seeds_to_z
from wplus.media import Picture
from wplus.pyav import import_av

BITRATE = 12_000_000  # bits a second


def film_today(
    network: NvidiaFormulation, seeds: Sequence[int], file: Path, *, frames: int, fps: int, truncation_psi: float
) -> None:
    """Writes a looping walk through seeds, in straight lines through w, as H.264."""
    av = import_av()
    side = network.config.img_resolution
    with av.open(str(file), "w") as output:
        stream = output.add_stream("libx264", rate=fps, width=side, height=side, pix_fmt="yuv420p")
        stream.bit_rate = BITRATE
        for picture in pictures_today(network, seeds, frames=frames, truncation_psi=truncation_psi):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        output.mux(stream.encode(None))


@torch.inference_mode()
def pictures_today(
    network: NvidiaFormulation, seeds: Sequence[int], *, frames: int, truncation_psi: float
) -> Iterator[Picture]:
    """The frames of that walk, uint8 `[H, W, C]`."""
    z = torch.from_numpy(seeds_to_z(seeds, (network.config.z_dim,)))
    keyframes = network.map(z, truncation_psi=truncation_psi)
    for number in range(frames):
        img = network.synthesize(_between(keyframes, number * len(seeds) / frames))
        yield (img.permute(0, 2, 3, 1) * 127.5 + 128).clamp(0, 255).to(torch.uint8)[0].cpu().numpy()


def _between(keyframes: Tensor, position: float) -> Tensor:
    """The ws `[1, num_ws, w_dim]` at a position in keyframes."""
    first = int(position)
    return keyframes[first].lerp(keyframes[(first + 1) % len(keyframes)], position - first)[None]
