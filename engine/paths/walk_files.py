"""Walk files: a walk's description as JSON or TOML, read strictly, since nobody vouches for it."""

import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, fields
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, cast

import fastjsonschema

from wplus.errors import ArtifactError, UnsupportedError
from wplus.files import whole_file
from wplus.paths.description import DirectionUse, Keyframe, MixUse, NoiseUse, Walk
from wplus.paths.tracks import Track, constant
from wplus.plain_json import no_constant, short

FORMAT = "wplus walk"
FORMAT_VERSION = 1

_MOST_BYTES = 2**24
_BESIDES = ("format", "version", "live")  # the last is for a show alone, whose presets are walk files
_TRACKS = ("truncation_psi", "translate_x", "translate_y", "rotate")


def read_walk(path: str | Path) -> Walk:
    """The walk in a file: TOML where its name ends in .toml, JSON otherwise.

    Raises:
        ArtifactError: it cannot be read, is of a newer format, or has a field that is unknown or makes no sense.
    """
    path = Path(path)
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ArtifactError(f"{path} has {path.stat().st_size:,} bytes; walk files have at most {_MOST_BYTES:,}.")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
        raise ArtifactError(f"{path} cannot be read as a walk file: {reason}.") from exc
    try:
        if path.suffix.lower() == ".toml":
            values: Any = tomllib.loads(text)
        else:
            values = json.loads(text, parse_constant=no_constant)
    except (ValueError, RecursionError) as exc:
        raise ArtifactError(f"{path} is damaged, or no {_kind(path)}: {exc}.") from exc
    try:
        return walk_of_json(values)
    except ArtifactError as exc:
        raise ArtifactError(f"{path}: {exc}") from exc


def write_walk(path: str | Path, walk: Walk) -> None:
    """Writes a walk as `.toml` or `.json`, what is as by default left out.

    Raises:
        ValueError: the name ends otherwise.
        UnsupportedError: TOML is asked for and its writer is not installed.
        ArtifactError: the file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in (".json", ".toml"):
        raise ValueError(f"Walk files are .toml or .json; {path.name} ends otherwise.")
    if not walk.keyframes:
        raise ValueError("The walk has no keyframes of its own, seeds or rows of files, that a file could name.")
    values = json_of_walk(walk)
    if path.suffix.lower() == ".json":
        text = json.dumps(values, indent=1, allow_nan=False) + "\n"
    else:
        text = _toml(values)
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def walk_of_json(values: Any) -> Walk:
    """The walk in plain JSON values, as they stand in the file.

    Raises:
        ArtifactError: they are of a newer format, or a field is unknown or makes no sense.
    """
    _check(values)
    try:
        return _walk(values)
    except (ValueError, OverflowError) as exc:
        raise ArtifactError(f"It makes no sense: {exc}") from exc


def json_of_walk(walk: Walk) -> dict[str, Any]:
    """Plain JSON types; what is as by default is left out."""
    return {"format": FORMAT, "version": FORMAT_VERSION, "keyframes": [], **_known(walk)}


def _check(values: Any) -> None:
    if not isinstance(values, Mapping):
        raise ArtifactError(f"It holds a {type(values).__name__}; a JSON object is needed.")
    if values.get("format") != FORMAT:
        raise ArtifactError(f"Its format is {short(values.get('format'))}; {FORMAT!r} is needed.")
    version = values.get("version")
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise ArtifactError(
            f"It has the format version {short(version)}, and this wplus reads up to {FORMAT_VERSION}: a newer one "
            "wrote it. Update wplus: pip install --upgrade wplus."
        )
    if unknown := [name for name in values if name not in _schema()["properties"]]:
        raise ArtifactError(
            f"It has the unknown field {short(unknown[0])}; known: {', '.join(_schema()['properties'])}."
        )
    try:
        _validator()(values)
    except fastjsonschema.JsonSchemaValueException as exc:
        name = exc.name or ""
        where, said = name.removeprefix("data").removeprefix("."), exc.message.removeprefix(name)
        raise ArtifactError(f"{short(where) if where else 'It'}{short(said, 300)}.") from exc


def _walk(values: Mapping[str, Any]) -> Walk:
    given: dict[str, Any] = {name: value for name, value in values.items() if name not in _BESIDES}
    given["keyframes"] = tuple(Keyframe(**_plain(Keyframe, keyframe)) for keyframe in values["keyframes"])
    for name in _TRACKS:
        if name in given:
            given[name] = _track(given[name])
    if "directions" in given:
        given["directions"] = {name: _with_amount(DirectionUse, use) for name, use in given["directions"].items()}
    if "mix" in given:
        given["mix"] = _with_amount(MixUse, given["mix"])
    if "noise" in given:
        noise = _plain(NoiseUse, given["noise"])
        scales = {name: _numbers(radii) for name, radii in noise.get("scales", {}).items()}
        given["noise"] = NoiseUse(**noise | {"scales": scales})
    return Walk(**_plain(Walk, given))


def _with_amount(kind: Any, values: Mapping[str, Any]) -> Any:
    given = _plain(kind, values)
    if "amount" in given:
        given["amount"] = _track(given["amount"])
    return kind(**given)


def _track(value: Any) -> Track:
    if not isinstance(value, Mapping):
        return constant(float(value))
    known = {"values": _numbers(value["values"]), "times": _numbers(value["times"])}
    return Track(**known, interp=value.get("interp", "linear"))


def _numbers(values: list[Any]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def _plain(kind: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers in the types of the dataclass's fields: 3 is a float, and 3.0 an integer, where one is needed."""
    types = {each.name: str(each.type) for each in fields(kind)}
    return {name: _typed(types[name], value) for name, value in values.items()}


def _typed(needed: str, value: Any) -> Any:
    if isinstance(value, list):
        if "float" in needed:
            return _numbers(value)
        return tuple(int(each) for each in value)
    if isinstance(value, bool) or not isinstance(value, int | float) or "Track" in needed:
        return value
    if not math.isfinite(value):
        raise ValueError(f"{value} is no finite number.")
    return float(value) if "float" in needed else int(value)


def _known(description: Any) -> dict[str, Any]:
    """The fields of a description that are not as by default, as JSON."""
    known = {}
    for each in fields(description):
        value = getattr(description, each.name)
        default = each.default if each.default_factory is MISSING else each.default_factory()
        if value != default:
            known[each.name] = _json(value)
    return known


def _json(value: Any) -> Any:
    if isinstance(value, Track):
        return value.to_json()
    if isinstance(value, tuple):
        return [_json(each) for each in value]
    if isinstance(value, Mapping):
        return {name: _json(each) for name, each in value.items()}
    return _known(value) if hasattr(value, "__dataclass_fields__") else value


def _toml(values: dict[str, Any]) -> str:
    try:
        import tomli_w
    except ImportError as exc:
        raise UnsupportedError("Writing TOML needs tomli-w: pip install 'wplus[live]'. JSON needs nothing.") from exc
    return tomli_w.dumps(values)


def _kind(path: Path) -> str:
    return "TOML" if path.suffix.lower() == ".toml" else "JSON"


@cache
def _schema() -> dict[str, Any]:
    text = resources.files("wplus.paths").joinpath("walk_schema.json").read_text()
    return cast("dict[str, Any]", json.loads(text))


@cache
def _validator() -> Any:
    return fastjsonschema.compile(_schema())
