"""What a page can ask for besides changes of parameters: recordings, snapshots, presets, takes, learned controls."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from wplus.errors import UnsupportedError
from wplus.files import whole_file
from wplus.latent_files import save_latents
from wplus.live.controls import Controls
from wplus.live.preset import read_preset_file
from wplus.live.show import Show
from wplus.live.take import write_take

PRESET_SUFFIX: Final = ".walk.json"
_SERVED = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,120}\.(mp4|png|npz|json)", re.ASCII)


class Commands:
    """Does what pages ask for. Each command blocks, so it is called in a thread; it returns the event that tells of it.

    Args:
        show: The show.
        folder: Where snapshots, takes and presets are kept: the folder that the show records to.
        controls: What OSC and MIDI move; None where neither is listened to.
        audio: A file with the sound of recordings and takes.
    """

    def __init__(
        self, show: Show, folder: Path, *, controls: Controls | None = None, audio: Path | None = None
    ) -> None:
        self._show = show
        self._folder = folder
        self._controls = controls
        self._audio = audio
        self._by_name: dict[str, Callable[..., dict[str, Any]]] = {
            "tap": self._tap,
            "snapshot": self._snapshot,
            "record": self._record,
            "stop": self._stop,
            "take": self._take,
            "presets": self._presets,
            "save_preset": self._save_preset,
            "load_preset": self._load_preset,
            "learn": self._learn,
            "forget": self._forget,
        }

    def run(self, command: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The event that says what was done.

        Raises:
            ValueError, WplusError, OSError: it cannot be done.
        """
        return {"event": command, **self._by_name[command](**arguments)}

    def state(self) -> dict[str, Any]:
        """What the state says of controls."""
        if self._controls is None:
            return {"controls": None}
        return {"controls": self._controls.json(), "learning": self._controls.learning}

    def file(self, name: str) -> Path | None:
        """A file in the folder that may be downloaded; None where there is none of that name."""
        path = self._folder / name
        return path if _SERVED.fullmatch(name) and path.is_file() else None

    def _tap(self) -> dict[str, Any]:
        return {"bpm": self._show.tap()}

    def _snapshot(self) -> dict[str, Any]:
        png, latents = self._show.snapshot()
        path = self._folder / f"snapshot-{_now()}.png"
        with whole_file(path) as temporary:
            temporary.write_bytes(png)
        save_latents(latents, path.with_suffix(".npz"))
        return {"files": [path.name, path.with_suffix(".npz").name]}

    def _record(self) -> dict[str, Any]:
        path = self._show.start_recording(Path(f"recording-{_now()}.mp4"), self._audio)
        return {"recording": path.name}

    def _stop(self) -> dict[str, Any]:
        return {"files": [self._show.stop_recording().name]}

    def _take(self) -> dict[str, Any]:
        path = self._folder / f"take-{_now()}.json"
        write_take(path, replace(self._show.take(), audio=self._sound_of_takes()))
        return {"files": [path.name]}

    def _sound_of_takes(self) -> str | None:
        """The sound as takes in the folder name it: relative to them, where both can move together."""
        if self._audio is None:
            return None
        audio, folder = self._audio.absolute(), self._folder.absolute()
        return audio.relative_to(folder).as_posix() if audio.is_relative_to(folder) else str(audio)

    def _presets(self) -> dict[str, Any]:
        names = [path.name.removesuffix(PRESET_SUFFIX) for path in self._folder.glob(f"*{PRESET_SUFFIX}")]
        return {"names": sorted(names)}

    def _save_preset(self, name: str) -> dict[str, Any]:
        path = self._folder / (name + PRESET_SUFFIX)
        with whole_file(path) as temporary:
            temporary.write_text(json.dumps(self._show.preset(), indent=1) + "\n", encoding="utf-8")
        return {**self._presets(), "files": [path.name], "name": name}

    def _load_preset(self, name: str = "", preset: Mapping[str, Any] | None = None) -> dict[str, Any]:
        self._show.load_preset(read_preset_file(self._folder / (name + PRESET_SUFFIX)) if preset is None else preset)
        if self._controls is not None and self._show.controls:
            self._controls.load(self._show.controls)
        return {"name": name}

    def _learn(self, parameter: str | None) -> dict[str, Any]:
        controls = self._needed()
        if parameter is None:
            controls.stop_learning()
        else:
            controls.learn(parameter)
        return {"parameter": parameter}

    def _forget(self, parameter: str) -> dict[str, Any]:
        controls = self._needed()
        controls.forget(parameter)
        self._show.controls = controls.json()
        return {"parameter": parameter}

    def _needed(self) -> Controls:
        if self._controls is None:
            raise UnsupportedError("Nothing is listened to. Start wplus live with --midi or --osc.")
        return self._controls


def _now() -> str:
    return datetime.now().strftime("%Y%m%d-%H%M%S-%f")[:-3]
