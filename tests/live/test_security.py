"""Who is let in."""

from typing import Any

import pytest

from wplus.live.security import Security, is_loopback, new_token


def _scope(kind: str = "http", path: str = "/", host: str = "localhost:8321", origin: str = "", query: str = "") -> Any:
    headers = [(b"host", host.encode())] + ([(b"origin", origin.encode())] if origin else [])
    return {"type": kind, "path": path, "headers": headers, "query_string": query.encode()}


@pytest.mark.parametrize("host", ["127.0.0.1:8321", "localhost:8321", "[::1]:8321", "localhost", "127.8.0.1"])
def test_this_machine_is_let_in_by_any_of_its_names(host: str) -> None:
    assert Security().refusal(_scope(host=host)) is None


@pytest.mark.parametrize("host", ["evil.example:8321", "", "192.168.1.7:8321", "localhost.evil.example", "[::1"])
def test_a_name_that_was_made_to_point_here_is_refused(host: str) -> None:
    assert "this machine alone" in (Security().refusal(_scope(host=host, origin=f"http://{host}")) or "")


@pytest.mark.parametrize("origin", ["http://evil.example", "http://localhost:8322", "https://localhost", "null", "x"])
def test_a_web_socket_of_another_site_is_refused(origin: str) -> None:
    assert "Another site" in (Security().refusal(_scope("websocket", "/ws", origin=origin)) or "")


def test_a_web_socket_of_our_page_and_of_a_program_is_let_in() -> None:
    assert Security().refusal(_scope("websocket", "/ws", origin="http://localhost:8321")) is None
    assert Security().refusal(_scope("websocket", "/ws")) is None


def test_with_a_token_any_name_is_let_in_that_has_it_and_nobody_else() -> None:
    rules = Security(token="secret")
    assert rules.refusal(_scope(host="studio.local:8321", query="token=secret")) is None
    for query in ("", "token=", "token=Secret", "token=secret%20", "other=secret"):
        for path in ("/", "/output", "/ws", "/snapshot.png", "/files/a.png"):
            assert "token" in (rules.refusal(_scope(path=path, host="studio.local:8321", query=query)) or "")
    assert rules.refusal(_scope(path="/static/control.js", host="studio.local:8321")) is None


def test_a_token_does_not_let_another_site_in() -> None:
    scope = _scope("websocket", "/ws", origin="http://evil.example", query="token=secret")
    assert Security(token="secret").refusal(scope) is not None


def test_loopback_is_known_by_number_and_name() -> None:
    assert all(is_loopback(host) for host in ("127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost", "LOCALHOST"))
    assert not any(is_loopback(host) for host in ("0.0.0.0", "::", "192.168.0.1", "", "localhost.example", "example"))


def test_tokens_are_long_and_differ() -> None:
    assert len(new_token()) >= 20
    assert new_token() != new_token()
