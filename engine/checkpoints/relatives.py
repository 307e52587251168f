"""Relatives of StyleGAN that share its files' form and are not drawn: told apart by the names in them."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

from wplus.checkpoints.pickle_machine import Globals, Stub
from wplus.errors import UnsupportedError

if TYPE_CHECKING:
    from wplus.checkpoints.nvidia_pickle import Module

_WAY_OUT = (
    "With the repository that made it, it is a torch module, which wplus.wrap(module, z_dim=..., c_dim=...) draws."
)
_STYLEGAN_XL = (
    "a StyleGAN-XL generator (Sauer et al. 2022): StyleGAN3's layers grown in stages, labels embedded as an ImageNet "
    "classifier does, and a mean w for each class. Drawing it would need that mapping and the super-resolution stages' "
    f"layer plan, which wplus lacks. {_WAY_OUT}"
)
_GANSFORMER = (
    "a GANformer (Hudson and Zitnick 2021): it has several latents that attend to the picture. Drawing it would need "
    f"its attention layers, which wplus lacks. {_WAY_OUT}"
)
_STYLEGAN_T = (
    "a StyleGAN-T generator (Sauer et al. 2023), which draws from text through CLIP. Drawing it would need its "
    f"residual blocks and CLIP's text encoder, which wplus lacks. {_WAY_OUT}"
)
_FASTGAN = (
    "a FastGAN generator (Liu et al. 2021) as Projected GAN trains it. Drawing it would need its skip-layer "
    f"excitation, which wplus lacks. {_WAY_OUT}"
)

# Classes that these repositories pickle by name, and NVIDIA's never.
_FOREIGN_CLASSES = {
    ("torch.nn.modules.sparse", "Embedding"): _STYLEGAN_XL,
    ("networks.generator", "Generator"): _STYLEGAN_T,
    ("pg_modules.networks_fastgan", "Generator"): _FASTGAN,
}


def name_relative(generator: "Module") -> str | None:
    """What a generator is that calls itself like NVIDIA's, or nearly, and is another; None where nothing tells."""
    mapping = generator.modules().get("mapping")
    parts = mapping.state.get("_modules") if mapping is not None else None
    if generator.class_name == "SuperresGenerator" or (isinstance(parts, dict) and "embed_proj" in parts):
        return _STYLEGAN_XL
    if "component_dropout" in generator.state and "k" in generator.state:
        return _GANSFORMER
    return None


def foreign_stubs() -> Globals:
    """Stand-ins for the relatives' own classes: calling one says what the file holds."""
    return {key: Stub(key[1], _refuser(what), is_class=True) for key, what in _FOREIGN_CLASSES.items()}


def _refuser(what: str) -> Callable[..., NoReturn]:
    def refuse_class(*_: object) -> NoReturn:
        raise UnsupportedError(f"The file holds {what}")

    return refuse_class
