"""What a network is, apart from its weights: one frozen description a family, and their JSON form."""

from dataclasses import asdict, fields
from typing import Any

from wplus.config.base import Config, StyleConfig
from wplus.config.plain import DCGANConfig, WrappedConfig
from wplus.config.stylegan1 import StyleGAN1Config
from wplus.config.stylegan2 import Architecture, StyleGAN2Config
from wplus.config.stylegan3 import StyleGAN3Config

__all__ = [
    "FAMILIES",
    "Architecture",
    "Config",
    "DCGANConfig",
    "StyleConfig",
    "StyleGAN1Config",
    "StyleGAN2Config",
    "StyleGAN3Config",
    "WrappedConfig",
    "config_from_dict",
    "config_to_dict",
]

# The one list of families: what describes it, and the network in `wplus.networks` that draws it.
FAMILIES: dict[str, tuple[type[Config], str]] = {
    "stylegan1": (StyleGAN1Config, "stylegan1.StyleGAN1"),
    "stylegan2": (StyleGAN2Config, "stylegan2.StyleGAN2"),
    "stylegan3-t": (StyleGAN3Config, "stylegan3.StyleGAN3"),
    "stylegan3-r": (StyleGAN3Config, "stylegan3.StyleGAN3"),
    "plain": (DCGANConfig, "plain.DCGAN"),
}


def config_to_dict(config: Config) -> dict[str, Any]:
    """The configuration as plain JSON types, `family` excluded."""
    return asdict(config)


def config_from_dict(family: str, values: dict[str, Any]) -> Config:
    """The configuration that `config_to_dict` wrote.

    Raises:
        ValueError: the family or a field is unknown, a field is missing, or the values contradict each other.
    """
    if family not in FAMILIES:
        raise ValueError(f"family is {family!r}; known: {', '.join(FAMILIES)}")
    kind, _ = FAMILIES[family]
    known = {field.name for field in fields(kind)}
    if unknown := sorted(set(values) - known):
        raise ValueError(f"the configuration has fields that {family} does not know: {', '.join(unknown)}")
    plain: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    try:
        config = kind(**plain)
    except TypeError as exc:
        raise ValueError(f"the configuration of {family} is incomplete: {exc}") from exc
    if config.family != family:
        raise ValueError(f"family is {family!r}; the configuration is one of {config.family!r}")
    return config
