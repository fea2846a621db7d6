"""Who gets through TLS, and as whom: real sockets on loopback."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID
from enrolment_server import HOSTS, Clock, new_key, node_identity

from cloud_sync.authority import Authority
from cloud_sync.certificates import DAY, Identity, Period, read_identity, sign
from cloud_sync.tls import NotANode, Peer, bootstrap_context, hub_context, keep_fresh, peer, peer_node
from link.enrolment import NODES, OPERATORS

Who = Callable[[Any], Peer | None]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def authority(tmp_path: Path, clock: Clock) -> Authority:
    return Authority.open(tmp_path / "ca", clock=clock)


@pytest.fixture
def foreign(tmp_path: Path) -> Authority:
    return Authority.open(tmp_path / "foreign")


@asynccontextmanager
async def listening(context: ssl.SSLContext, who: Who = peer_node) -> AsyncIterator[int]:
    """A server that writes whom it sees."""

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            seen = repr(who(writer.get_extra_info("ssl_object")))
        except NotANode as error:
            seen = f"no node: {error}"
        writer.write(seen.encode() + b"\n")
        with suppress(OSError):
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


def client_context(authority: Authority, identity: Path | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=authority.ca_pem)
    if identity:
        context.load_cert_chain(identity)
    return context


async def seen(port: int, context: ssl.SSLContext, host: str = "127.0.0.1") -> str:
    """What the server writes; raises what TLS says."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=host)
    try:
        line = (await reader.readline()).decode().strip()
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
    if not line:
        raise ConnectionResetError("cut without a word")
    return line


async def refused(port: int, context: ssl.SSLContext) -> None:
    """The server ends the handshake; how the client hears of it depends on who is faster."""
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await seen(port, context)


async def test_a_node_is_known_by_its_certificate(authority: Authority, tmp_path: Path) -> None:
    identity = node_identity(authority, "edge-7", tmp_path / "node.pem")
    certificate = read_identity(identity.read_bytes()).certificate
    found: list[Peer] = []

    def who(connection: Any) -> Peer:
        found.append(peer_node(connection))
        return found[-1]

    async with listening(hub_context(authority, HOSTS), who) as port:
        await seen(port, client_context(authority, identity))
    assert found == [
        Peer("edge-7", NODES, f"{certificate.serial_number:x}", *Period.of(certificate)),
    ]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_clients_verify_the_name_or_the_address(authority: Authority, tmp_path: Path, host: str) -> None:
    identity = node_identity(authority, "edge-7", tmp_path / "node.pem")
    async with listening(hub_context(authority, HOSTS)) as port:
        assert "edge-7" in await seen(port, client_context(authority, identity), host)
        with pytest.raises(ssl.SSLCertVerificationError, match=r"hub\.example\.com"):
            await seen(port, client_context(authority, identity), "hub.example.com")


async def test_without_a_certificate_there_is_no_link(authority: Authority) -> None:
    async with listening(hub_context(authority, HOSTS)) as port:
        await refused(port, client_context(authority))


async def test_a_certificate_of_another_ca_is_refused(
    authority: Authority, foreign: Authority, tmp_path: Path
) -> None:
    identity = node_identity(foreign, "edge-7", tmp_path / "node.pem")
    for context in (hub_context(authority, HOSTS), bootstrap_context(authority, HOSTS)):
        async with listening(context) as port:
            await refused(port, client_context(authority, identity))


async def test_another_ca_of_the_same_name_and_number_is_refused(authority: Authority, tmp_path: Path) -> None:
    """The signature counts, not what the certificate says of itself."""
    ours = x509.load_der_x509_certificate(authority.ca_der)
    key = new_key()
    builder = x509.CertificateBuilder().subject_name(ours.subject).issuer_name(ours.subject)
    builder = builder.public_key(key.public_key()).serial_number(ours.serial_number)
    builder = builder.not_valid_before(ours.not_valid_before_utc).not_valid_after(ours.not_valid_after_utc)
    for extension in ours.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    (tmp_path / "forged").mkdir()
    (tmp_path / "forged" / "ca.pem").write_bytes(Identity(key, builder.sign(key, SHA256())).pem())
    identity = node_identity(Authority.open(tmp_path / "forged"), "edge-7", tmp_path / "node.pem")
    async with listening(hub_context(authority, HOSTS)) as port:
        await refused(port, client_context(authority, identity))


async def test_a_ca_that_names_its_key_in_its_own_way_is_recognised(tmp_path: Path) -> None:
    """Certificates must name the key of their CA as the CA does, or they find no issuer."""
    key, name = new_key(), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "KubeEdge")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1024).not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
    builder = builder.not_valid_after(datetime(2120, 1, 1, tzinfo=UTC))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier(b"of its own"), critical=False)
    (tmp_path / "ca").mkdir()
    (tmp_path / "ca" / "ca.pem").write_bytes(Identity(key, builder.sign(key, SHA256())).pem())
    authority = Authority.open(tmp_path / "ca")
    identity = node_identity(authority, "edge-7", tmp_path / "node.pem")
    async with listening(hub_context(authority, HOSTS)) as port:
        assert "edge-7" in await seen(port, client_context(authority, identity))


@pytest.mark.parametrize("ahead", [-2 * DAY, 2 * DAY], ids=["expired", "not valid yet"])
async def test_outside_its_time_a_certificate_makes_no_link_but_may_be_shown_to_renew(
    authority: Authority, clock: Clock, tmp_path: Path, ahead: float
) -> None:
    hub, bootstrap = hub_context(authority, HOSTS), bootstrap_context(authority, HOSTS)
    clock.ahead = ahead
    identity = node_identity(authority, "edge-7", tmp_path / "node.pem", lifetime=DAY)
    async with listening(hub) as port:
        await refused(port, client_context(authority, identity))
    async with listening(bootstrap) as port:
        assert "edge-7" in await seen(port, client_context(authority, identity))


async def test_to_enrol_no_certificate_is_needed(authority: Authority) -> None:
    async with listening(bootstrap_context(authority, HOSTS), peer) as port:
        assert await seen(port, client_context(authority)) == "None"
    async with listening(bootstrap_context(authority, HOSTS)) as port:
        assert await seen(port, client_context(authority)) == "no node: no client certificate was shown"


async def test_an_operator_is_no_node(authority: Authority) -> None:
    async with listening(hub_context(authority, HOSTS)) as port:
        assert (await seen(port, client_context(authority, authority.operator_identity()))).startswith("no node: ")
    async with listening(bootstrap_context(authority, HOSTS), peer) as port:
        assert OPERATORS in await seen(port, client_context(authority, authority.operator_identity()))


async def test_the_servers_own_certificate_is_no_clients(authority: Authority) -> None:
    async with listening(hub_context(authority, HOSTS)) as port:
        await refused(port, client_context(authority, authority.server_identity(HOSTS)))


@pytest.mark.parametrize(
    ("organisations", "names"),
    [
        (["nobody"], ["system:node:edge-7"]),
        ([], ["system:node:edge-7"]),
        ([NODES, OPERATORS], ["system:node:edge-7"]),
        ([NODES], ["edge-7"]),
        ([NODES], []),
        ([NODES], ["system:node:"]),
        ([NODES], ["system:node:Edge/7"]),
        ([NODES], ["system:node:edge-7", "system:node:edge-8"]),
    ],
)
async def test_a_certificate_of_our_ca_that_names_no_one_node_is_no_nodes(
    authority: Authority, tmp_path: Path, organisations: list[str], names: list[str]
) -> None:
    key, ca = new_key(), read_identity((tmp_path / "ca" / "ca.pem").read_bytes())
    subject = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, name) for name in organisations]
    subject += [x509.NameAttribute(NameOID.COMMON_NAME, name) for name in names]
    certificate = sign(ca, x509.Name(subject), key.public_key(), Period(1e9, 4e9))
    (tmp_path / "node.pem").write_bytes(Identity(key, certificate).pem())
    async with listening(hub_context(authority, HOSTS)) as port:
        assert (await seen(port, client_context(authority, tmp_path / "node.pem"))).startswith("no node: ")


async def test_tls_before_1_2_is_refused(authority: Authority, tmp_path: Path) -> None:
    context = client_context(authority, node_identity(authority, "edge-7", tmp_path / "node.pem"))
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    with pytest.deprecated_call():
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    async with listening(hub_context(authority, HOSTS)) as port:
        await refused(port, context)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        assert "edge-7" in await seen(port, context)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_no_session_is_resumed_past_a_look_at_the_certificate(
    authority: Authority, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    context = client_context(authority, node_identity(authority, "edge-7", tmp_path / "node.pem"))
    context.minimum_version = context.maximum_version = version
    async with listening(hub_context(authority, HOSTS)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        assert b"edge-7" in await reader.readline()
        session = writer.get_extra_info("ssl_object").session
        assert session is None or not session.has_ticket
        writer.close()


async def test_the_servers_certificate_is_renewed_while_they_run(authority: Authority, clock: Clock) -> None:
    clock.ahead = -300 * DAY
    contexts = hub_context(authority, HOSTS), bootstrap_context(authority, HOSTS)
    trusted = client_context(authority)

    async def number(port: int) -> str:
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusted)
        serial = writer.get_extra_info("peercert")["serialNumber"]
        writer.close()
        return str(serial)

    async with listening(contexts[1], peer) as port:
        first = await number(port)
        clock.ahead = 0
        renewing = asyncio.create_task(keep_fresh(authority, HOSTS, contexts))
        try:
            async with asyncio.timeout(10):
                while await number(port) == first:
                    await asyncio.sleep(0.01)
        finally:
            renewing.cancel()


async def test_a_renewal_that_fails_is_said_and_the_servers_go_on(
    authority: Authority, clock: Clock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    context = bootstrap_context(authority, HOSTS)
    (tmp_path / "ca" / "server.pem").write_text("rubbish")
    clock.ahead = 300 * DAY
    async with listening(context, peer) as port:
        renewing = asyncio.create_task(keep_fresh(authority, HOSTS, [context]))
        try:
            async with asyncio.timeout(10):
                while not caplog.records:
                    await asyncio.sleep(0.01)
            assert "server.pem holds no EC key" in caplog.text
            assert await seen(port, client_context(authority)) == "None"
        finally:
            renewing.cancel()
