"""StyleGAN2 in the pickles of NVlabs' stylegan2-ada-pytorch and stylegan3 repositories."""

from typing import Any

from wplus.checkpoints.checkpoint import Checkpoint, Tensors
from wplus.checkpoints.nvidia_pickle import Module
from wplus.checkpoints.nvidia_stylegan2 import config_of
from wplus.checkpoints.pickle_machine import Budget
from wplus.checkpoints.source import SourceFile
from wplus.checkpoints.w_avg import complete_w_avg
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
    config = config_of(generator, tensors)
    notes = complete_w_avg(config, tensors)
    return Checkpoint(
        config=config,
        tensors=tensors,
        provenance=file.provenance(_FORMAT),
        why=f"{key} is a Generator made of a MappingNetwork and SynthesisBlocks b4 to b{config.img_resolution}",
        contents=(*_contents(content, networks, key), *notes),
    )


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
    parts = generator.modules()
    synthesis = parts.get("synthesis")
    inside = synthesis.modules() if synthesis is not None else {}
    if generator.class_name == "Generator" and any(part.class_name == "SynthesisInput" for part in inside.values()):
        first = next((part for name, part in inside.items() if name.startswith("L0_")), None)
        family = "stylegan3-r" if first is not None and first.state.get("conv_kernel") == 1 else "stylegan3-t"
        raise UnsupportedError(
            f"{key} is a StyleGAN3 generator ({family}); StyleGAN3 arrives with a later version of wplus."
        )
    classes = {name: part.class_name for name, part in parts.items()}
    if generator.class_name != "Generator" or classes != {"mapping": "MappingNetwork", "synthesis": "SynthesisNetwork"}:
        found = ", ".join(f"{name}: {kind}" for name, kind in list(classes.items())[:_MAX_LISTED]) or "nothing"
        raise UnsupportedError(
            f"{key} is a {generator.class_name} made of {found}. Known is NVIDIA's StyleGAN2 Generator, "
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
