"""A TensorFlow network of NVIDIA's as data: its options, and its variables as float32 arrays."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wplus.checkpoints.checkpoint import Tensors
from wplus.checkpoints.numpy_stubs import Array
from wplus.checkpoints.nvidia_pickle import TensorFlowNetwork
from wplus.checkpoints.pickle_machine import Budget, refuse, shown
from wplus.config import StyleConfig
from wplus.errors import CheckpointError, UnsupportedError

_VERSIONS = (2, 3, 4, 5)  # 2 and 3: StyleGAN1; 4: StyleGAN2; 5: StyleGAN2-ADA
_COMPONENTS = ("mapping", "synthesis")
_MAX_NAME = 80
_MAX_VARIABLES = 20_000

# What only training or a single run looks at, and sizes that the variables show anyway.
_IGNORED = frozenset(
    {
        "truncation_psi",
        "truncation_cutoff",
        "truncation_psi_val",
        "truncation_cutoff_val",
        "dlatent_avg_beta",
        "w_avg_beta",
        "style_mixing_prob",
        "is_training",
        "is_validation",
        "is_template_graph",
        "return_dlatents",
        "force_clean_graph",
        "randomize_noise",
        "dlatent_broadcast",
        "fmap_base",
        "fmap_decay",
        "fmap_min",
        "fmap_max",
        "mapping_layers",
        "mapping_fmaps",
        "label_fmaps",
        "mapping_func",
        "synthesis_func",
    }
)
_SIZES = {
    "latent_size": "z_dim",
    "label_size": "c_dim",
    "dlatent_size": "w_dim",
    "resolution": "img_resolution",
    "num_channels": "img_channels",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """A generator: `variables` have the names of TensorFlow, a component's with its key and a slash before them."""

    build_func: str  # name of the function that built it
    options: dict[str, Any]  # what that function was given; anything else has the function's default
    variables: Tensors

    def number(self, name: str, default: float) -> float:
        """An option that is a positive number."""
        value = self.options.get(name, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
            raise CheckpointError(f"The network has {name} = {shown(value)}; a positive number is needed.")
        return float(value)

    def check_options(self, supported: dict[str, tuple[Any, ...]], *, read: tuple[str, ...]) -> None:
        """Refuses by name what would change the picture: an option with a value not in `supported`, an unknown one.

        Args:
            supported: The values, by option, that are drawn.
            read: The options that the caller looks at itself.
        """
        for name, value in self.options.items():
            if name in _IGNORED or name in _SIZES or name in read:
                continue
            if name not in supported:
                raise UnsupportedError(f"The network has the option {name} = {shown(value)}, which is not known.")
            if value not in supported[name]:
                known = " or ".join(map(repr, supported[name]))
                raise UnsupportedError(f"The network has {name} = {shown(value)}; only {known} is supported.")

    def check_sizes(self, config: StyleConfig) -> None:
        """Refuses a network whose options contradict its variables."""
        for name, field in _SIZES.items():
            if name in self.options:
                self.check(name, getattr(config, field), default=None)

    def check(self, name: str, found: Any, *, default: Any) -> None:
        """Refuses an option that says something else than the variables."""
        said = self.options.get(name, default)
        if said != found:
            raise CheckpointError(f"The network says {name} = {shown(said)}; its variables say {found}.")

    def truncation_note(self, psi: float, cutoff: int | None) -> str:
        """What the file would do where nobody asks for truncation, given its build function's defaults."""
        given = [self.options.get("truncation_psi", psi), self.options.get("truncation_cutoff", cutoff)]
        return (
            f"its own truncation: psi {shown(given[0])}, cutoff {shown(given[1])}; wplus draws with psi 1 unless told"
        )


def read_network(network: TensorFlowNetwork, budget: Budget) -> Graph:
    """The network and its components, every variable copied.

    Raises:
        CheckpointError: the pickle holds something that `dnnlib.tflib` does not write.
        UnsupportedError: its version is unknown, or it is no style-based generator.
    """
    own = network.state
    build_func = shown(own.get("build_func_name"))
    components = own.get("components")
    if not isinstance(components, dict) or sorted(map(str, components)) != sorted(_COMPONENTS):
        raise UnsupportedError(
            f"The network is built by {build_func} and has no mapping and synthesis, so it is no StyleGAN (a ProGAN, "
            "say)."
        )
    options: dict[str, Any] = {}
    variables: Tensors = {}
    for prefix, state in (("", own), *((f"{key}/", _state(components[key])) for key in _COMPONENTS)):
        _check_version(state)
        _merge(options, _table(state, "static_kwargs"))
        for name, value in _variables(state):
            variables[prefix + name] = _to_float32(prefix + name, value, budget)
    return Graph(build_func=build_func, options=options, variables=variables)


def _state(component: object) -> dict[str, Any]:
    if not isinstance(component, TensorFlowNetwork):
        refuse(f"a component that is a {type(component).__name__}, not a network")
    return component.state


def _check_version(state: dict[str, Any]) -> None:
    version = state.get("version")
    if version not in _VERSIONS:
        raise UnsupportedError(
            f"The network has version {shown(version)} of dnnlib.tflib; {_VERSIONS[0]} to {_VERSIONS[-1]} are known."
        )


def _table(state: dict[str, Any], name: str) -> dict[str, Any]:
    table = state.get(name)
    if not isinstance(table, dict) or not all(isinstance(key, str) and len(key) <= _MAX_NAME for key in table):
        refuse(f"a network whose {name} are no dict of names")
    return table


def _merge(options: dict[str, Any], more: dict[str, Any]) -> None:
    for name, value in more.items():
        if name in options and options[name] != value:
            raise CheckpointError(
                f"The network says {name} = {shown(options[name])}, a component of it {shown(value)}."
            )
        options[name] = value


def _variables(state: dict[str, Any]) -> list[tuple[str, Any]]:
    pairs = state.get("variables")
    if not isinstance(pairs, list) or len(pairs) > _MAX_VARIABLES:
        refuse("a network whose variables are no list")
    for pair in pairs:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            refuse("a variable without name and value")
        if not isinstance(pair[0], str) or len(pair[0]) > _MAX_NAME:
            refuse("a variable whose name is no short text")
    if len({name for name, _ in pairs}) < len(pairs):
        refuse("two variables of one name")
    return [(name, value) for name, value in pairs]


def _to_float32(name: str, value: Any, budget: Budget) -> NDArray[np.float32]:
    """A copy; TensorFlow's scalars come as numpy scalars, so as plain numbers."""
    if isinstance(value, Array) and value.value is not None:
        budget.spend(size=4 * value.value.size)
        return np.array(value.value, dtype=np.float32, order="C")
    if isinstance(value, float):
        return np.array(value, dtype=np.float32)
    return refuse(f"the variable {name} is a {type(value).__name__}, not an array")


def layout(value: NDArray[np.float32]) -> NDArray[np.float32]:
    """PyTorch's order of axes: [I, O] to [O, I], [k, k, I, O] to [O, I, k, k]; vectors and numbers stay."""
    axes = {2: (1, 0), 4: (3, 2, 0, 1)}.get(value.ndim)
    return value if axes is None else np.ascontiguousarray(value.transpose(axes))


def drop_axes(name: str, value: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """A map `[1, C, H, W]` or `[1, 1, H, W]` without its first `count` axes."""
    if value.ndim != 4 or value.shape[:count] != (1,) * count:
        raise CheckpointError(f"{name} is {list(value.shape)}; its first {count} of 4 dimensions must be 1.")
    return value.reshape(value.shape[count:])
