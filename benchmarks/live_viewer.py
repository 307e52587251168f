"""A bare viewer of a live show, as a script: it acknowledges every picture until its input ends, then says how many.

It decodes nothing and imports a WebSocket client only, so that what is measured is the show.
"""

import struct
import sys
import threading

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

_NUMBER, _OFFSET = struct.Struct("<I"), 4  # of the frame, in the message's header


def main() -> None:
    """Watches the address in the first argument."""
    with connect(sys.argv[1], max_size=None) as connection:
        leaving = threading.Event()
        threading.Thread(target=_leave_when_told, args=(connection, leaving), daemon=True).start()
        frames = 0
        try:
            while True:
                message = connection.recv()
                if not isinstance(message, bytes):
                    continue
                connection.send(f'{{"ack": {_NUMBER.unpack_from(message, _OFFSET)[0]}}}')
                frames += 1
                if frames == 1:
                    _say("watching")
        except ConnectionClosed as exc:
            if not leaving.is_set():
                sys.exit(f"The show ended the connection after {frames} frames: {exc}")
    _say(str(frames))


def _leave_when_told(connection: ClientConnection, leaving: threading.Event) -> None:
    sys.stdin.read()
    leaving.set()
    connection.close()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
