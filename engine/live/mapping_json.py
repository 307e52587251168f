"""Bindings as JSON inside a preset, read strictly."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, Final, cast

from wplus.live.mapping import Binding
from wplus.live.parameters import short

MOST_BINDINGS: Final = 1000


def bindings_of_json(data: object) -> tuple[Binding, ...]:
    """The bindings of a preset: `{"bindings": [{"control": …, "parameter": …, …}, …]}`; `{}` has none.

    Raises:
        ValueError: it is no such object; the text says which entry is wrong, and what it needs.
    """
    if not isinstance(data, dict) or set(data) - {"bindings"}:
        raise ValueError(f"controls is {short(data)}; an object with bindings alone is needed.")
    entries = data.get("bindings", [])
    if not isinstance(entries, list) or len(entries) > MOST_BINDINGS:
        raise ValueError(f"bindings is {short(entries)}; a list of at most {MOST_BINDINGS} objects is needed.")
    bindings: dict[tuple[str, str], Binding] = {}
    for number, entry in enumerate(entries):
        try:
            binding = _binding_of_json(entry)
            if (pair := (binding.control, binding.parameter)) in bindings:
                raise ValueError(f"{pair[0]} moves {pair[1]} already. Remove one of the two.")
        except ValueError as exc:
            raise ValueError(f"bindings[{number}]: {exc}") from exc
        bindings[pair] = binding
    return tuple(bindings.values())


def json_of_bindings(bindings: Sequence[Binding]) -> dict[str, Any]:
    """What `bindings_of_json` reads: of each binding the fields that are not as they would be anyway."""
    return {"bindings": [_json_of_binding(binding) for binding in bindings]}


def _binding_of_json(entry: object) -> Binding:
    known = [field.name for field in fields(Binding)]
    if not isinstance(entry, dict):
        raise ValueError(f"it is {short(entry)}; an object is needed.")
    if unknown := sorted(set(entry) - set(known)):
        raise ValueError(f"the field {short(unknown[0])} is unknown. Known: {', '.join(known)}.")
    if missing := [name for name in ("control", "parameter") if not isinstance(entry.get(name), str)]:
        raise ValueError(f"{missing[0]} is {short(entry.get(missing[0]))}; text is needed.")
    lists = {name: tuple(entry[name]) for name in ("input", "output", "steps") if isinstance(entry.get(name), list)}
    return Binding(**cast(dict[str, Any], entry) | lists)


def _json_of_binding(binding: Binding) -> dict[str, Any]:
    values = {field.name: (getattr(binding, field.name), field.default) for field in fields(Binding)}
    return {name: _plain(value) for name, (value, usual) in values.items() if value != usual}


def _plain(value: Any) -> Any:
    """Tuples as JSON has them."""
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
