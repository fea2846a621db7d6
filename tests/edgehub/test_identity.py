"""An edge joins, and keeps its identity: against the real endpoints, and against others in their place."""

import asyncio
import socket
import ssl
import stat
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from enrolment_server import HOSTS, EnrolmentServer, enrolment_server, request_for

from cloud_sync.authority import Authority
from cloud_sync.certificates import DAY
from cloud_sync.tls import bootstrap_context, hub_context
from edgehub.enrol import CloudUnreachable, EnrolmentError, EnrolmentRefused, WrongClock, WrongCloud
from edgehub.identity import Cloud, Identity, NoIdentity
from link.enrolment import JoinToken, common_name


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EnrolmentServer]:
    async with enrolment_server(tmp_path / "cloud") as running:
        yield running


@pytest.fixture
def identity(tmp_path: Path) -> Identity:
    return Identity(tmp_path / "edge" / "identity")


async def join(
    identity: Identity, server: EnrolmentServer, node: str = "edge-7", token: str = "", host: str = "127.0.0.1"
) -> str:
    token = token or await server.tokens.issue(node)
    await asyncio.to_thread(identity.enrol, host, server.port, node, token, link_port=10_001)
    return token


def text(tmp_path: Path) -> bytes:
    return (tmp_path / "edge" / "identity" / "identity.pem").read_bytes()


async def test_before_it_joins_an_edge_is_nobody(identity: Identity) -> None:
    assert not identity.exists()
    for ask in (lambda: identity.node, lambda: identity.cloud, identity.ssl_context, identity.renew):
        with pytest.raises(NoIdentity, match=r"has joined no cloud .* use `twinhub join`"):
            ask()


async def test_an_edge_joins(identity: Identity, server: EnrolmentServer, tmp_path: Path) -> None:
    await join(identity, server)
    assert identity.exists()
    assert identity.node == "edge-7"
    assert identity.cloud == Cloud("127.0.0.1", server.port, 10_001)
    assert identity.not_after == server.nodes.known["edge-7"]["not_after"]
    folder = tmp_path / "edge" / "identity"
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {"identity.pem": 0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert Identity(folder).node == "edge-7"


async def test_with_it_the_link_opens_to_the_name_or_the_address(identity: Identity, server: EnrolmentServer) -> None:
    await join(identity, server)
    async with listening(hub_context(server.authority, HOSTS)) as port:
        for host in HOSTS:
            _, writer = await asyncio.open_connection(
                "127.0.0.1", port, ssl=identity.ssl_context(), server_hostname=host
            )
            writer.close()
        with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
            await asyncio.open_connection(
                "127.0.0.1", port, ssl=identity.ssl_context(), server_hostname="hub.example.com"
            )


async def test_the_link_does_not_open_to_another_cloud(
    identity: Identity, server: EnrolmentServer, tmp_path: Path
) -> None:
    await join(identity, server)
    async with listening(bootstrap_context(Authority.open(tmp_path / "foreign"), HOSTS)) as port:
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.open_connection("127.0.0.1", port, ssl=identity.ssl_context())


async def test_a_cloud_that_did_not_make_the_token_is_not_joined(identity: Identity, server: EnrolmentServer) -> None:
    token = JoinToken.read(await server.tokens.issue("edge-7"))
    with pytest.raises(WrongCloud, match="is not the one that made this token"):
        await join(identity, server, token=str(token._replace(ca="ab" * 32)))
    assert not identity.exists()
    assert server.nodes.known == {}


async def test_the_clouds_reason_is_told(identity: Identity, server: EnrolmentServer) -> None:
    token = await server.tokens.issue("edge-8")
    with pytest.raises(EnrolmentRefused, match=r"refuses: .*the token is for another node \(status 401\)"):
        await join(identity, server, token=token)
    server.clock.ahead = DAY
    with pytest.raises(EnrolmentRefused, match="token is expired"):
        await join(identity, server, "edge-8", token=token)


@pytest.mark.parametrize("token", ["", "secret-word", "a.b.c.d"])
async def test_what_is_no_token_is_not_sent_anywhere(identity: Identity, token: str) -> None:
    with pytest.raises(EnrolmentError, match="no join token") as refused:
        identity.enrol("127.0.0.1", free_port(), "edge-7", token)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("node", ["Edge", "edge 7", "", "a" * 53])
async def test_a_name_that_cannot_be_a_nodes_is_refused_here(
    identity: Identity, server: EnrolmentServer, node: str
) -> None:
    with pytest.raises(EnrolmentError, match="cannot be a node's name"):
        await join(identity, server, node, await server.tokens.issue("edge-7"))


async def test_the_longest_name_fits(identity: Identity, server: EnrolmentServer) -> None:
    await join(identity, server, "a" * 52)
    assert identity.node == "a" * 52


async def test_nobody_answers(identity: Identity, server: EnrolmentServer) -> None:
    token = await server.tokens.issue("edge-7")
    with pytest.raises(CloudUnreachable, match=r"cannot reach the cloud at 127\.0\.0\.1:\d+: Connection refused"):
        await asyncio.to_thread(identity.enrol, "127.0.0.1", free_port(), "edge-7", token)
    with pytest.raises(CloudUnreachable, match="no host is called"):
        await asyncio.to_thread(identity.enrol, "nowhere.invalid", 10002, "edge-7", token)


async def test_a_name_the_clouds_certificate_does_not_have(identity: Identity, tmp_path: Path) -> None:
    authority = Authority.open(tmp_path / "ca")
    with answering(bootstrap_context(authority, ["hub.example.com"]), authority.ca_der) as port:
        token = f"{authority.ca_hash}.a.b.c"
        with pytest.raises(WrongCloud, match=r"is not for 127\.0\.0\.1; .* `hosts` in the cloud's settings"):
            await asyncio.to_thread(identity.enrol, "127.0.0.1", port, "edge-7", token)


@pytest.mark.parametrize(("ahead", "state"), [(3 * DAY, "is valid from"), (-600 * DAY, "has expired|is expired")])
async def test_a_wrong_clock_is_called_so(
    identity: Identity, tmp_path: Path, ahead: float, state: str, server: EnrolmentServer
) -> None:
    server.clock.ahead = ahead
    authority = Authority.open(tmp_path / "ca", clock=server.clock)
    posing = answering(bootstrap_context(authority, HOSTS), authority.ca_der)
    with posing as port, pytest.raises(WrongClock, match=f"({state}).*this machine's clock says"):
        await asyncio.to_thread(identity.enrol, "127.0.0.1", port, "edge-7", f"{authority.ca_hash}.a.b.c")


async def test_what_answers_is_no_cloud(identity: Identity, tmp_path: Path) -> None:
    authority = Authority.open(tmp_path / "ca")
    token = f"{authority.ca_hash}.a.b.c"
    context = bootstrap_context(authority, HOSTS)

    async def fails(port: int, why: str, error: type[EnrolmentError] = WrongCloud) -> None:
        with pytest.raises(error, match=why):
            await asyncio.to_thread(identity.enrol, "127.0.0.1", port, "edge-7", token)

    with answering(None, b"") as port:  # which does not speak TLS
        await fails(port, "no TLS with")
    with answering(context, authority.ca_der, b"220 mail\r\n") as port:
        await fails(port, "is no cloud")
    with answering(context, b"x" * 100_000) as port:
        await fails(port, "more than 65,536 bytes")
    with answering(context, b"x") as port:
        await fails(port, "is not the one that made this token")
    with answering(context, authority.ca_der) as port:  # also for the certificate
        await fails(port, "not for edge-7 and its key")
    another_key = authority.sign_node(request_for(common_name("edge-7")), "edge-7")
    with answering(context, authority.ca_der, certificate=another_key) as port:
        await fails(port, "not for edge-7 and its key")
    folder = tmp_path / "edge" / "identity"
    key = load_pem_private_key((folder / "joining.pem").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    foreign = Authority.open(tmp_path / "foreign")
    another_ca = foreign.sign_node(request_for(common_name("edge-7"), key=key), "edge-7")
    with answering(context, authority.ca_der, certificate=another_ca) as port:
        await fails(port, "no certificate of its CA")
    another_node = authority.sign_node(request_for(common_name("edge-8"), key=key), "edge-8")
    with answering(context, authority.ca_der, certificate=another_node) as port:
        await fails(port, "not for edge-7 and its key")
    with answering(context, b"\x1b[31mno\nmore", b"HTTP/1.1 500 No\r\n\r\n") as port:
        await fails(port, r"refuses: \[31mno \(status 500\)", EnrolmentRefused)
    assert not identity.exists()


async def test_a_join_whose_answer_was_lost_is_made_again_with_the_same_key(
    identity: Identity, server: EnrolmentServer, tmp_path: Path
) -> None:
    token = await server.tokens.issue("edge-7")
    folder = tmp_path / "edge" / "identity"
    folder.mkdir(parents=True)
    (folder / "identity.pem").mkdir()  # what the cloud has issued cannot be kept
    with pytest.raises(EnrolmentError, match="cannot write"):
        await join(identity, server, token=token)
    assert "edge-7" in server.nodes.known
    assert stat.S_IMODE((folder / "joining.pem").stat().st_mode) == 0o600
    (folder / "identity.pem").rmdir()
    await join(identity, server, token=token)
    assert identity.node == "edge-7"


async def test_a_token_is_good_for_one_edge(identity: Identity, server: EnrolmentServer, tmp_path: Path) -> None:
    token = await join(identity, server)
    with pytest.raises(EnrolmentRefused, match="has been used already"):
        await join(Identity(tmp_path / "thief"), server, token=token)


async def test_to_join_again_replaces_the_identity_and_a_failure_leaves_it(
    identity: Identity, server: EnrolmentServer, tmp_path: Path
) -> None:
    await join(identity, server)
    before = text(tmp_path)
    with pytest.raises(EnrolmentRefused):
        await join(identity, server, "edge-8", await server.tokens.issue("edge-9"))
    assert text(tmp_path) == before
    await join(identity, server, "edge-8")
    assert identity.node == "edge-8"


async def test_a_renewal_makes_a_new_key_and_certificate(
    identity: Identity, server: EnrolmentServer, tmp_path: Path
) -> None:
    await join(identity, server)
    before = text(tmp_path)
    await asyncio.to_thread(identity.renew)
    after = text(tmp_path)
    old, new = (x509.load_pem_x509_certificates(pem) for pem in (before, after))
    assert old[0].public_key() != new[0].public_key()
    assert old[0].serial_number != new[0].serial_number
    assert old[1] == new[1]
    assert new[1].public_bytes(Encoding.DER) == server.authority.ca_der
    assert (identity.node, identity.cloud) == ("edge-7", Cloud("127.0.0.1", server.port, 10_001))
    async with listening(hub_context(server.authority, HOSTS)) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=identity.ssl_context())
        writer.close()


async def test_after_its_end_it_is_renewed_with_the_old_key_within_the_grace_period(
    identity: Identity, server: EnrolmentServer
) -> None:
    server.clock.ahead = -366 * DAY
    await join(identity, server)
    server.clock.ahead = 0
    assert identity.not_after < server.clock()
    await asyncio.to_thread(identity.renew)
    assert identity.not_after > server.clock()


async def test_after_the_grace_period_it_must_join_again(
    identity: Identity, server: EnrolmentServer, tmp_path: Path
) -> None:
    server.clock.ahead = -400 * DAY
    await join(identity, server)
    server.clock.ahead = 0
    before = text(tmp_path)
    with pytest.raises(EnrolmentRefused, match="expired too long ago; the node needs a new token"):
        await asyncio.to_thread(identity.renew)
    assert text(tmp_path) == before
    await join(identity, server)
    assert identity.not_after > server.clock()


async def test_a_revoked_edge_cannot_renew(identity: Identity, server: EnrolmentServer) -> None:
    await join(identity, server)
    server.nodes.revoked_at["edge-7"] = server.clock() + 1
    with pytest.raises(EnrolmentRefused, match="the node is revoked"):
        await asyncio.to_thread(identity.renew)


async def test_renewal_falls_between_70_and_90_percent_at_random_and_stays_there(
    identity: Identity, server: EnrolmentServer
) -> None:
    parts = set()
    await join(identity, server)
    for _ in range(6):
        start = server.nodes.known["edge-7"]["issued_at"]
        part = (identity.renew_at - start) / (identity.not_after - start)
        assert 0.7 <= part <= 0.9
        assert identity.renew_at == identity.renew_at
        parts.add(part)
        await asyncio.to_thread(identity.renew)
    assert len(parts) == 6


@pytest.mark.parametrize(
    "edit",
    [
        lambda pem: b"",
        lambda pem: b"rubbish",
        lambda pem: pem.partition(b"\n")[2],
        lambda pem: pem.replace(b'"port":', b'"port":"x",'),
        lambda pem: pem[:-200],
        lambda pem: pem[: pem.index(b"-----BEGIN CERT")],
        lambda pem: pem.replace(b"-----BEGIN PRIVATE KEY-----\nM", b"-----BEGIN PRIVATE KEY-----\nN"),
        lambda pem: pem.partition(b"-----BEGIN")[0],
    ],
)
async def test_a_broken_file_is_named(
    identity: Identity, server: EnrolmentServer, tmp_path: Path, edit: Callable[[bytes], bytes]
) -> None:
    await join(identity, server)
    (tmp_path / "edge" / "identity" / "identity.pem").write_bytes(edit(text(tmp_path)))
    with pytest.raises(NoIdentity, match=r"identity\.pem cannot be used .* use `twinhub join`"):
        identity.ssl_context()


async def test_a_folder_that_cannot_be_written_is_named(server: EnrolmentServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EnrolmentError, match=f"cannot write to {tmp_path}/file/identity: Not a directory"):
        await join(Identity(tmp_path / "file" / "identity"), server)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@asynccontextmanager
async def listening(context: ssl.SSLContext) -> AsyncIterator[int]:
    """A server that takes connections and reads them out."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1]


@contextmanager
def answering(
    context: ssl.SSLContext | None,
    body: bytes,
    head: bytes = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
    *,
    certificate: bytes = b"",
) -> Iterator[int]:
    """Something else in the place of a cloud, which answers every request alike, or that for a certificate so."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(
            target=_answer_all, args=(listener, context, head + body, head + (certificate or body))
        )
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _answer_all(listener: socket.socket, context: ssl.SSLContext | None, answer: bytes, certificate: bytes) -> None:
    while True:
        try:
            taken, _ = listener.accept()
        except OSError:
            return
        try:
            with context.wrap_socket(taken, server_side=True) if context else taken as connection:
                connection.settimeout(5)
                asked = connection.recv(65_536)
                connection.sendall(certificate if b"/edge.crt" in asked else answer)
        except OSError:
            taken.close()
