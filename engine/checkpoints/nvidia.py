"""StyleGAN2 and StyleGAN3 in the pickles of NVlabs' stylegan2-ada-pytorch and stylegan3 repositories."""

from typing import Any

from wplus.checkpoints import nvidia_stylegan2, nvidia_stylegan3
from wplus.checkpoints.checkpoint import Checkpoint, Tensors
from wplus.checkpoints.nvidia_pickle import Module
from wplus.checkpoints.pickle_machine import Budget
from wplus.checkpoints.relatives import name_relative
from wplus.checkpoints.source import SourceFile
from wplus.checkpoints.w_avg import complete_w_avg
from wplus.config import StyleConfig, StyleGAN2Config, StyleGAN3Config
from wplus.errors import CheckpointError, UnsupportedError

_FORMAT = "NVIDIA PyTorch pickle"
_MAX_LISTED = 12


def recognises(file: SourceFile) -> bool:
    """Whether the file is a pickle that holds torch_utils.persistence objects."""
    return file.kind == "pickle" and bool(_networks(file.pickle[0]))


def read(file: SourceFile) -> Checkpoint:
    """The generator in the file: G_ema where there is one, else G."""
    content, budget = file.pickle
    networks = _networks(content)
    key, generator = _pick(networks)
    _check_family(key, generator)
    tensors = _to_arrays(generator, budget)
    config = _config_of(generator, tensors)
    notes = complete_w_avg(config, tensors)
    return Checkpoint(
        config=config,
        tensors=tensors,
        provenance=file.provenance(_FORMAT),
        why=f"{key} is a Generator made of a MappingNetwork and {_main_part(config)}",
        contents=(*_contents(content, networks, key), *notes),
    )


def _config_of(generator: Module, tensors: Tensors) -> StyleConfig:
    if nvidia_stylegan3.is_stylegan3(generator):
        return nvidia_stylegan3.config_of(generator, tensors)
    return nvidia_stylegan2.config_of(generator, tensors)


def _main_part(config: StyleConfig) -> str:
    if isinstance(config, StyleGAN3Config):
        return f"{config.num_layers + 1} SynthesisLayers on Fourier features, kernels {config.conv_kernel} px wide"
    assert isinstance(config, StyleGAN2Config)
    return f"SynthesisBlocks b4 to b{config.resolutions[-1]}"


def _networks(content: Any) -> dict[str, Module]:
    """The networks of the file by key."""
    if isinstance(content, Module):
        return {"the pickled object": content}
    if not isinstance(content, dict):
        return {}
    return {str(key)[:80]: value for key, value in content.items() if isinstance(value, Module)}


def _pick(networks: dict[str, Module]) -> tuple[str, Module]:
    for key in ("G_ema", "G", "the pickled object"):
        if key in networks and "Discriminator" not in networks[key].class_name:
            return key, networks[key]
    found = ", ".join(f"{key} ({network.class_name})" for key, network in list(networks.items())[:_MAX_LISTED])
    only = "only a discriminator" if any("Discriminator" in n.class_name for n in networks.values()) else "no generator"
    raise CheckpointError(f"The file holds {only}: {found}. A generator is needed, under G_ema or G.")


def _check_family(key: str, generator: Module) -> None:
    if (relative := name_relative(generator)) is not None:
        raise UnsupportedError(f"{key} is {relative}")
    parts = generator.modules()
    classes = {name: part.class_name for name, part in parts.items()}
    if generator.class_name != "Generator" or classes != {"mapping": "MappingNetwork", "synthesis": "SynthesisNetwork"}:
        found = ", ".join(f"{name}: {kind}" for name, kind in list(classes.items())[:_MAX_LISTED]) or "nothing"
        raise UnsupportedError(
            f"{key} is a {generator.class_name} made of {found}. Known is NVIDIA's Generator, "
            "made of mapping: MappingNetwork and synthesis: SynthesisNetwork."
        )


def _to_arrays(generator: Module, budget: Budget) -> Tensors:
    tensors = generator.tensors()
    budget.spend(size=sum(4 * tensor.view.size for tensor in tensors.values()))
    return {name: tensor.to_float32() for name, tensor in tensors.items()}


def _contents(content: Any, networks: dict[str, Module], used: str) -> list[str]:
    """One line for each thing in the file."""
    lines = [f"{key}: {network.class_name}{' (used)' if key == used else ''}" for key, network in networks.items()]
    if isinstance(content, dict):
        others = [(str(key)[:80], value) for key, value in content.items() if str(key)[:80] not in networks]
        lines += [f"{key}: {'none' if value is None else type(value).__name__}" for key, value in others]
    if used == "G":
        lines.append("no G_ema: G, the generator without the moving average of its weights, is used")
    return lines[: 2 * _MAX_LISTED]
