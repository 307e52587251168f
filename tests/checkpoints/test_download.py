"""Downloads from a server on this machine: whole, resumed, checked, cached, refused."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from wplus.checkpoints import read_checkpoint
from wplus.checkpoints.download import fetch, without_query
from wplus.errors import ArtifactError, CheckpointError

_BODY = bytes(range(256)) * 4096  # 1 MiB


class _Server(BaseHTTPRequestHandler):
    """Serves one body with Range and If-Range, and breaks off when it is told to."""

    body: ClassVar[bytes] = _BODY
    tag: ClassVar[str] = '"one"'
    break_after: ClassVar[int | None] = None
    requests: ClassVar[list[str | None]] = []

    def do_GET(self) -> None:
        kind = type(self)
        wanted = self.headers.get("Range")
        kind.requests.append(wanted)
        if self.path.startswith("/missing"):
            self.send_error(404)
        elif self.path.startswith("/insecure"):
            self._head(302, 0, Location="http://example.com/network.pkl")
        elif self.path.startswith("/page"):
            self._head(200, 6, **{"Content-Type": "text/html; charset=utf-8"})
            self.wfile.write(b"<html>")
        elif wanted and self.headers.get("If-Range") == kind.tag:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            size = len(kind.body)
            self._head(206, size - start, **{"Content-Range": f"bytes {start}-{size - 1}/{size}", "ETag": kind.tag})
            self.wfile.write(kind.body[start:][: kind.break_after])
        else:
            self._head(200, len(kind.body), ETag=kind.tag)
            self.wfile.write(kind.body[: kind.break_after])

    def _head(self, status: int, length: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(length), **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def server() -> Iterator[type[_Server]]:
    """A fresh server class whose address is its `url`."""
    handler = type("Handler", (_Server,), {"requests": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        handler.url = f"http://127.0.0.1:{running.server_address[1]}"
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield handler
        running.shutdown()
        thread.join()


def _files(folder: Path) -> list[str]:
    return sorted(path.name.partition("-")[2] for path in folder.iterdir() if not path.name.endswith(".lock"))


def test_a_file_is_fetched_once(server, tmp_path: Path) -> None:
    digest = hashlib.sha256(_BODY).hexdigest()
    path = fetch(f"{server.url}/network.pkl?key=secret", sha256=digest, cache=tmp_path)
    assert path.read_bytes() == _BODY
    assert path.name.endswith("-network.pkl")
    assert fetch(f"{server.url}/network.pkl?key=secret", sha256=digest, cache=tmp_path) == path
    assert len(server.requests) == 1
    assert _files(tmp_path) == ["network.pkl"]


def test_a_transfer_that_breaks_off_goes_on_where_it_was(server, tmp_path: Path) -> None:
    server.break_after = 6 * 2**16
    path = fetch(f"{server.url}/network.pkl", cache=tmp_path)
    assert path.read_bytes() == _BODY
    assert server.requests == [None, "bytes=393216-", "bytes=786432-"]


def test_a_changed_file_is_not_glued_to_the_old_part(server, tmp_path: Path) -> None:
    path = fetch(f"{server.url}/network.pkl", cache=tmp_path)
    path.rename(path.with_name(path.name + ".part")).write_bytes(b"old" * 1000)
    path.with_name(path.name + ".part.tag").write_text('"zero"')
    assert fetch(f"{server.url}/network.pkl", cache=tmp_path).read_bytes() == _BODY
    assert server.requests[-1] == "bytes=3000-"


def test_a_part_longer_than_the_file_is_fetched_again(server, tmp_path: Path) -> None:
    path = fetch(f"{server.url}/network.pkl", cache=tmp_path)
    path.rename(path.with_name(path.name + ".part")).write_bytes(b"x" * 10)  # without a tag: nobody knows of what
    assert fetch(f"{server.url}/network.pkl", cache=tmp_path).read_bytes() == _BODY
    assert server.requests[-1] is None


def test_a_transfer_that_never_ends_well_says_what_is_kept(server, tmp_path: Path) -> None:
    server.break_after = 2**16
    with pytest.raises(CheckpointError, match=r"could not be fetched.*196,608 bytes are kept, and the next attempt"):
        fetch(f"{server.url}/network.pkl", cache=tmp_path)
    assert "network.pkl" not in _files(tmp_path)
    assert "network.pkl.part" in _files(tmp_path)
    server.break_after = None
    assert fetch(f"{server.url}/network.pkl", cache=tmp_path).read_bytes() == _BODY


def test_a_server_without_a_strong_tag_is_never_resumed(server, tmp_path: Path) -> None:
    server.break_after, server.tag = 2**16, 'W/"weak"'
    with pytest.raises(CheckpointError, match="The next attempt begins again"):
        fetch(f"{server.url}/network.pkl", cache=tmp_path)
    assert server.requests == [None, None, None]


def test_another_digest_keeps_nothing(server, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=f"has sha256 .*; {'0' * 64} was asked for"):
        fetch(f"{server.url}/network.pkl", sha256="0" * 64, cache=tmp_path)
    assert "network.pkl" not in _files(tmp_path)
    fetch(f"{server.url}/network.pkl", cache=tmp_path)
    with pytest.raises(CheckpointError, match="If the server has a new file, delete it"):
        fetch(f"{server.url}/network.pkl", sha256="0" * 64, cache=tmp_path)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/missing.pkl?key=secret", "the server answered 404"),
        ("/insecure.pkl", r"http://example\.com/network\.pkl is not an https URL"),
        ("/page", "is a web page, not a checkpoint"),
    ],
)
def test_a_wrong_answer_says_so_and_keeps_nothing(server, tmp_path: Path, path: str, message: str) -> None:
    with pytest.raises(CheckpointError, match=message) as caught:
        fetch(server.url + path, cache=tmp_path)
    assert "secret" not in str(caught.value)
    assert _files(tmp_path) == []


def test_no_server_says_so(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"the connection failed or broke off\. The next attempt begins again"):
        fetch("http://127.0.0.1:9/network.pkl", cache=tmp_path)


@pytest.mark.parametrize("url", ["http://example.com/a.pkl", "ftp://127.0.0.1/a.pkl", "file:///etc/passwd"])
def test_only_https_leaves_this_machine(tmp_path: Path, url: str) -> None:
    with pytest.raises(CheckpointError, match="is not an https URL"):
        fetch(url, cache=tmp_path)


def test_a_cache_that_cannot_be_written_says_so(server, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ArtifactError, match="cannot be written"):
        fetch(f"{server.url}/network.pkl", cache=tmp_path / "file")


def test_a_url_is_shown_without_user_and_query() -> None:
    assert without_query("https://me:pw@host.org:8443/a/b.pkl?token=1#x") == "https://host.org:8443/a/b.pkl"


def test_a_network_is_read_from_a_url(server, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wplus.cache.user_cache_path", lambda _name: tmp_path)
    server.body = (data / "golden_sg2_orig_32.pkl").read_bytes()
    checkpoint = read_checkpoint(f"{server.url}/nets/orig.pkl?token=1")
    assert checkpoint.provenance.source == f"{server.url}/nets/orig.pkl"
    assert checkpoint.provenance.sha256 == hashlib.sha256(server.body).hexdigest()
