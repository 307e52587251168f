"""The manifest of a bundle: which network its graphs draw, what goes in and comes out, and the sum of every file."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib import resources
from typing import Any, Literal

import fastjsonschema

from wplus.checkpoints.checkpoint import Provenance
from wplus.config import Config, StyleConfig, WrappedConfig, config_from_dict, config_to_dict
from wplus.errors import ArtifactError
from wplus.plain_json import no_constant, short

GraphPrecision = Literal["fp32", "fp16", "bf16"]
NoiseVariant = Literal["const", "none", "input"]
OutputType = Literal["float", "uint8"]

FORMAT = "wplus-bundle"
FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class Port:
    """An input or an output of a graph."""

    name: str
    dtype: str  # numpy's name of it
    shape: tuple[int | str, ...]  # text where the size is free


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphSpec:
    """One graph: its file in the bundle, and its ports in their order."""

    file: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSum:
    """What a file of the bundle must be."""

    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DerivedConstant:
    """A constant in a graph that is no parameter of the network but was computed from them, or a filter."""

    name: str
    shape: tuple[int, ...]
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """The line that sums parity.json up."""

    run: Literal["quick", "full"]
    passed: bool
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What manifest.json says."""

    config: Config  # of a family without W a `WrappedConfig`: the graph is all that is left of its layers
    fingerprint: str
    provenance: Provenance
    precision: GraphPrecision = "fp32"  # of the feature maps and their weights
    float32_layers: tuple[str, ...] = ()  # layers of a half-precision graph that stayed in float32
    opset: int
    ir_version: int
    noise: NoiseVariant = "const"
    output: OutputType = "float"
    max_batch: int | None = None  # most samples a run may have; None: any number
    graphs: Mapping[str, GraphSpec]  # "mapping" and "synthesis"; or "generator"; without W "synthesis" alone
    inversion: GraphSpec | None = None  # from latents, target, weight and losses' factors to loss and gradients
    inversion_losses: tuple[str, ...] = ()  # those whose factors it takes
    parameters: int
    derived_constants: tuple[DerivedConstant, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)  # of what wrote it
    certificate: Certificate | None = None
    files: Mapping[str, FileSum] = field(default_factory=dict)  # `write_manifest` fills it in

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types, as they stand in the file."""
        provenance = asdict(self.provenance)
        config = graph_config(self.config)
        values = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "family": config.family,
            "config": config_to_dict(config),
            "fingerprint": self.fingerprint,
            "parent": provenance.pop("parent"),
            "precision": self.precision,
            "float32_layers": list(self.float32_layers),
            "opset": self.opset,
            "ir_version": self.ir_version,
            "noise": self.noise,
            "output": self.output,
            "max_batch": self.max_batch,
            "graphs": {name: asdict(graph) for name, graph in self.graphs.items()},
            "parameters": self.parameters,
            "derived_constants": [asdict(constant) for constant in self.derived_constants],
            "files": {name: asdict(file) for name, file in sorted(self.files.items())},
            "licence": provenance.pop("licence"),
            "provenance": provenance,
            "versions": dict(self.versions),
            "certificate": None if self.certificate is None else asdict(self.certificate),
        }
        # Left out where there is none: readers before it know no such field, and skip it where there is one.
        if self.inversion is None:
            return values
        return values | {"inversion": asdict(self.inversion), "inversion_losses": list(self.inversion_losses)}


def graph_config(config: Config) -> Config:
    """The configuration as a bundle keeps it: of a family without W, what goes in and what comes out."""
    if isinstance(config, StyleConfig):
        return config
    return WrappedConfig(
        z_dim=config.z_dim,
        c_dim=config.c_dim,
        img_resolution=config.img_resolution,
        img_channels=config.img_channels,
        latent_shape=config.z_shape,
        picture_shape=config.img_shape,
    )


def parse_manifest(text: str | bytes) -> Manifest:
    """The manifest in a file's text, which nobody vouches for.

    Raises:
        ArtifactError: it is no JSON, no bundle's manifest, of a newer format, or contradicts itself.
    """
    values = _object(text)
    if values.get("format") != FORMAT:
        raise ArtifactError(f"Its format is {short(values.get('format'))}; {FORMAT!r} is needed.")
    version = values.get("format_version")
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise ArtifactError(
            f"It has the format version {short(version)}, and this wplus reads up to {FORMAT_VERSION}: a newer one "
            "wrote it. Update wplus: pip install --upgrade wplus."
        )
    check_schema("manifest", values)
    try:
        manifest = _manifest(values)
    except (ValueError, TypeError, ArithmeticError) as exc:
        raise ArtifactError(f"Its configuration cannot be used: {exc}.") from exc
    _check_graphs(manifest)
    return manifest


def check_schema(name: Literal["manifest", "parity"], values: Any) -> None:
    """Raises `ArtifactError`, which names the field, unless the values are as bundle_schema.json says."""
    try:
        _validator(name)(values)
    except fastjsonschema.JsonSchemaValueException as exc:
        field_name = exc.name or ""
        where, said = field_name.removeprefix("data").removeprefix("."), exc.message.removeprefix(field_name)
        raise ArtifactError(f"{short(where) or 'It'}{short(said, 300)}.") from exc


def parse_parity(text: str | bytes) -> dict[str, Any]:
    """What parity.json says.

    Raises:
        ArtifactError: it is no JSON, or something else than a certificate.
    """
    values = _object(text)
    check_schema("parity", values)
    return values


def _manifest(values: dict[str, Any]) -> Manifest:
    certificate = values["certificate"]
    losses = tuple(values.get("inversion_losses", ()))
    return Manifest(
        config=_config(values["family"], values["config"]),
        fingerprint=values["fingerprint"],
        provenance=Provenance(
            **{name: values["provenance"][name] for name in ("source", "sha256", "format", "description")},
            licence=values["licence"],
            parent=values["parent"],
        ),
        **{name: values[name] for name in ("precision", "opset", "ir_version", "noise", "output", "max_batch")},
        float32_layers=tuple(values["float32_layers"]),
        graphs={name: _graph(graph) for name, graph in values["graphs"].items()},
        inversion=_graph(values["inversion"]) if values.get("inversion") and losses else None,  # else an early form
        inversion_losses=losses,
        parameters=values["parameters"],
        derived_constants=tuple(
            DerivedConstant(name=constant["name"], shape=tuple(constant["shape"]), bytes=constant["bytes"])
            for constant in values["derived_constants"]
        ),
        versions=values["versions"],
        certificate=None if certificate is None else _chosen(Certificate, certificate),
        files={name: _chosen(FileSum, file) for name, file in values["files"].items()},
    )


def _config(family: str, values: dict[str, Any]) -> Config:
    if family != "plain":
        return config_from_dict(family, values)
    plain: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    return WrappedConfig(**plain)


def _graph(values: dict[str, Any]) -> GraphSpec:
    inputs, outputs = (
        tuple(Port(port["name"], port["dtype"], tuple(port["shape"])) for port in values[side])
        for side in ("inputs", "outputs")
    )
    return GraphSpec(file=values["file"], inputs=inputs, outputs=outputs)


def _chosen(kind: Any, values: dict[str, Any]) -> Any:
    """A dataclass from the values that it knows; a later version may have written more."""
    return kind(**{name: values[name] for name in kind.__dataclass_fields__})


def _check_graphs(manifest: Manifest) -> None:
    names = set(manifest.graphs)
    known = [{"mapping", "synthesis"}, {"generator"}] if manifest.config.has_w else [{"synthesis"}]
    if names not in known:
        needed = " or ".join(" and ".join(sorted(choice)) for choice in known)
        raise ArtifactError(f"It lists the graphs {', '.join(sorted(names))}; {needed} is needed.")
    listed = [*manifest.graphs.values(), *([manifest.inversion] if manifest.inversion else [])]
    if missing := [graph.file for graph in listed if graph.file not in manifest.files]:
        raise ArtifactError(f"It lists the graph {missing[0]} and no sum of that file.")


def _object(text: str | bytes) -> dict[str, Any]:
    try:
        values = json.loads(text, parse_constant=no_constant)
    except (ValueError, RecursionError) as exc:  # UnicodeDecodeError is one of the former
        raise ArtifactError(f"It is damaged, no JSON: {exc}.") from exc
    if not isinstance(values, dict):
        raise ArtifactError(f"It holds a {type(values).__name__}; a JSON object is needed.")
    return values


@cache
def _validator(name: str) -> Any:
    schema = json.loads(resources.files("wplus").joinpath("bundle_schema.json").read_text())
    if name != "manifest":
        schema = schema["$defs"][name] | {"$defs": schema["$defs"]}
    return fastjsonschema.compile(schema)
