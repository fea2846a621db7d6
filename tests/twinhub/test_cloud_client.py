"""What the client says when there is no cloud, or not the right one."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cloud_sync.authority import Authority
from twinhub.cloud_client import Address, CloudClient
from twinhub.errors import CommandError


@contextmanager
def answering(answer: Callable[[socket.socket], None]) -> Iterator[Address]:
    """A server that takes one connection and does this with it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                answer(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield Address("127.0.0.1", listener.getsockname()[1])
        finally:
            thread.join()


def over_tls(authority: Authority, answer: bytes) -> Callable[[socket.socket], None]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.server_identity(["127.0.0.1"]))

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as stream:
            stream.recv(4096)
            stream.sendall(answer)

    return serve


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.open(tmp_path / "authority")


def complaint(address: Address, credentials: Path, timeout: float = 5.0) -> str:
    with pytest.raises(CommandError) as caught, CloudClient(address, credentials, timeout=timeout) as client:
        client.twin("default/pump")
    return str(caught.value)


def test_who_does_not_speak_tls_is_no_cloud(authority: Authority) -> None:
    with answering(lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as address:
        assert "does not speak TLS" in complaint(address, authority.operator_identity())


def test_who_says_nothing_is_not_waited_for_longer_than_asked(authority: Authority) -> None:
    with answering(lambda connection: bool(connection.recv(4096)) and connection.recv(4096) and None) as address:
        assert "does not answer within 0.2 s" in complaint(address, authority.operator_identity(), 0.2)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n\xff\xfe\xfd\xfc",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}",
        b"nonsense\r\n\r\n",
        b"",
    ],
)
def test_what_is_no_answer_is_told_without_a_traceback(authority: Authority, answer: bytes) -> None:
    with answering(over_tls(authority, answer)) as address:
        assert "cloud" in complaint(address, authority.operator_identity())


def test_a_refusal_is_told_with_its_advice(authority: Authority) -> None:
    body = b'{"message": "no \\u001b[2J", "advice": "mend it"}'
    answer = b"HTTP/1.1 409 Conflict\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    with answering(over_tls(authority, answer)) as address:
        assert complaint(address, authority.operator_identity()) == "no ·[2J; mend it"


def test_what_are_no_credentials_is_told(tmp_path: Path) -> None:
    for content in (b"", b"nonsense", b"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"):
        (tmp_path / "operator.pem").write_bytes(content)
        told = complaint(Address("127.0.0.1", 1), tmp_path / "operator.pem")
        assert "operator.pem cannot be used as operator credentials" in told
    assert "copy operator.pem" in complaint(Address("127.0.0.1", 1), tmp_path / "none.pem")
    assert "cannot be used" in complaint(Address("127.0.0.1", 1), tmp_path)
