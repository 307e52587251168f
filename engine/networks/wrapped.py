"""Somebody's own module behind the face that our networks have."""

from collections.abc import Collection, Mapping

import torch
from torch import Tensor, nn

from wplus.picture_form import PictureForm


class WrappedModule(nn.Module):
    """A module that draws pictures, called as module(z), or as module(z, c) where it is conditional.

    Args:
        module: In eval mode and frozen; it is moved and converted in place.
        form: What it takes and gives.
    """

    def __init__(self, module: nn.Module, form: PictureForm) -> None:
        super().__init__()
        self.module = module
        self.form = form

    layer_names: tuple[str, ...] = ()  # it is converted as a whole

    def prepare(self, dtype: torch.dtype, *, float32_layers: Collection[str] = ()) -> None:
        """Converts the module to `dtype`."""
        assert not float32_layers
        self.module.to(dtype)

    def synthesize(
        self,
        z: Tensor,
        *,
        noise: Mapping[str, Tensor] | None,  # noqa: ARG002
        dtype: torch.dtype,
        c: Tensor | None = None,
    ) -> Tensor:
        """z `[N, *z_shape]` and, if conditional, c `[N, c_dim]` to float32 `[N, C, H, W]`."""
        z = (z * self.form.z_scale).to(dtype)
        picture = self.module(z) if c is None else self.module(z, c.to(dtype))
        img: Tensor = self.form.to_img(picture, z.shape[0])
        return img.float().contiguous()
