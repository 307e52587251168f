"""A backend module for mido whose devices are plugged in and out by a test. No sound hardware, no sequencer."""

from typing import Any

from mido import Message, ports

plugged: list[str] = []
opened: "list[Input]" = []


class Input(ports.BaseInput):  # type: ignore[misc] # mido has no types
    """An input of mido's."""

    def _open(self, callback: Any = None, virtual: bool = False, **options: Any) -> None:
        assert not virtual
        assert not options
        if self.name not in plugged:
            raise OSError(f"unknown port {self.name!r}")
        self.callback = callback
        opened.append(self)

    def send(self, data: list[int]) -> None:
        """The device sends these bytes."""
        self.callback(Message.from_bytes(data))


def get_devices(**options: Any) -> list[dict[str, Any]]:
    """What mido asks for."""
    assert not options
    return [{"name": name, "is_input": True, "is_output": False} for name in plugged]
