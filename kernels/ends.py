"""The operators at a network's two ends: a path of latents before it, bytes after it; see `ops.py`."""

import torch
from torch import Tensor

from wplus.kernels import checks, reference
from wplus.kernels.dispatch import Impl, unsupported_reasons, uses_triton
from wplus.kernels.reference import Interp


def latent_path(
    keyframes: Tensor,
    times: Tensor,
    *,
    interp: Interp = "linear",
    loop: bool = False,
    w_avg: Tensor | None = None,
    truncation_psi: Tensor | None = None,
    mix: Tensor | None = None,
    mix_mask: Tensor | None = None,
    impl: Impl = "auto",
) -> Tensor:
    """Points on a path through latents, truncated and mixed.

    Args:
        keyframes: `[K, num_ws, w_dim]`, float32.
        times: `[T]`, float64, in units of keyframes: from 0 to K - 1, any number if `loop`.
        interp: "linear"; "slerp": along the last axis, the direction goes by the arc and the norm linearly, opposite
            vectors turn through a fixed perpendicular, and a zero vector takes the other's direction; "catmull-rom",
            whose line goes straight on beyond the ends; "spline", the natural cubic, in plain PyTorch only.
        loop: The last keyframe leads back to the first and times wrap at K.
        w_avg: `[w_dim]`, the centre of the truncation.
        truncation_psi: `[num_ws]`, 1 where a layer is not truncated.
        mix: `[num_ws, w_dim]`, what stands in for the path where `mix_mask` says so, before truncation.
        mix_mask: bool `[T, num_ws]`.
        impl: See `ops.py`; Triton has no gradients here.

    Returns:
        float32 ws `[T, num_ws, w_dim]`; a time that is a whole number gives that keyframe exactly.

    Raises:
        ValueError: shapes, devices or times are wrong, or `impl` cannot run.

    Source: slerp: Shoemake 1985; Catmull-Rom: Catmull and Rom 1974; truncation: Karras et al. 2019, appendix B.
    """
    checks.path(keyframes, times, w_avg=w_avg, truncation_psi=truncation_psi, mix=mix, mix_mask=mix_mask)
    checks.same_device(keyframes, times=times, w_avg=w_avg, truncation_psi=truncation_psi, mix=mix, mix_mask=mix_mask)
    reasons = unsupported_reasons(keyframes)
    reasons += checks.without_gradient(keyframes=keyframes, times=times, w_avg=w_avg, truncation_psi=truncation_psi)
    if interp == "spline":
        reasons.append("interp is 'spline', whose coefficients take a linear solve.")
    if not uses_triton(impl, "latent_path", reasons):
        return reference.latent_path(
            keyframes,
            times,
            interp=interp,
            loop=loop,
            w_avg=w_avg,
            truncation_psi=truncation_psi,
            mix=mix,
            mix_mask=mix_mask,
        )
    from wplus.kernels.gpu import latent_path as kernel

    return kernel.latent_path(
        keyframes.float().contiguous(),
        times.double().contiguous(),
        interp=interp,
        loop=loop,
        w_avg=None if w_avg is None else w_avg.float().contiguous(),
        psi=None if truncation_psi is None or w_avg is None else truncation_psi.float().contiguous(),
        mix=None if mix is None else mix.float().contiguous(),
        mask=None if mix_mask is None else mix_mask.to(torch.uint8).contiguous(),
    )


def to_uint8(img: Tensor, *, columns: int | None = None, impl: Impl = "auto") -> Tensor:
    """Pictures as bytes, rounded down after x * 127.5 + 128.

    Args:
        img: `[N, C, H, W]` in [-1, 1], in any layout.
        columns: Puts the pictures into a grid, row by row, of so many columns; cells without one are black.
        impl: See `ops.py`.

    Returns:
        uint8 `[N, H, W, C]`; of a grid, `[rows * H, columns * W, C]`.

    Raises:
        ValueError: img has no four axes, `columns` is below 1, or `impl` cannot run.
    """
    checks.picture(img)
    if columns is not None and columns < 1:
        raise ValueError(f"columns is {columns}; a grid has at least 1.")
    reasons = unsupported_reasons(img) + checks.without_gradient(img=img)
    if not uses_triton(impl, "to_uint8", reasons):
        return reference.to_uint8(img, columns=columns)
    from wplus.kernels.gpu import pixels

    return pixels.to_uint8(img, columns=columns)
