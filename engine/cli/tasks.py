"""What several verbs do with their options."""

import logging
from typing import Any

from wplus.generator import Generator
from wplus.loading import load

_log = logging.getLogger(__name__)


def load_network(options: dict[str, Any]) -> Generator:
    """The generator that the network options name; says which options it has no use for."""
    names = ("device", "backend", "precision", "threads", "batch", "sha256")
    generator = load(options["network"], **{name: options[name] for name in names})
    if not generator.noise_shapes and options.get("noise_mode", "const") != "const":
        _log.warning("--noise-mode=%s has no effect: %s has no noise.", options["noise_mode"], generator.name)
    return generator
