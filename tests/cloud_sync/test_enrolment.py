"""Enrolment over real HTTPS: the recorded requests of KubeEdge, and those of strangers."""

import asyncio
import base64
import json
import re
import ssl
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from enrolment_server import Answer, EnrolmentServer, enrolment_server, node_identity, request_for
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud_sync.authority import Authority
from cloud_sync.certificates import DAY
from cloud_sync.rate_limit import RateLimit
from link.enrolment import JoinToken, bearer, common_name, fingerprint
from link.limits import CSR_BYTES

GOLDEN = Path(__file__).parents[1] / "link" / "golden" / "kubeedge_hub.jsonl"
Recorded = dict[str, Any]
UNLIMITED = partial(RateLimit, 1e6, 1e6)


def recorded() -> dict[str, list[tuple[Recorded, Recorded]]]:
    """Of each case of the bootstrap, its requests and their answers."""
    lines = (json.loads(line) for line in GOLDEN.read_text().splitlines() if '"case": "bootstrap' in line)
    cases: dict[str, list[Recorded]] = {}
    for line in lines:
        cases.setdefault(line["case"], []).append(line)
    return {case: list(zip(lines[::2], lines[1::2], strict=True)) for case, lines in cases.items()}


CASES = recorded()

DIFFERENCES: dict[str, tuple[int, str]] = {
    "bootstrap: node name differs from the CN": (400, "a certificate is made only for the node that all name"),
    "bootstrap: free subject": (400, "a certificate is made only for a node"),
    "bootstrap: body is not a CSR": (400, "a fault of the request, not of the server; the rest of the text is Go's"),
    "bootstrap: no body": (400, "the same"),
    "bootstrap: unknown path": (404, "the text is aiohttp's"),
}
"""Where the answer is another one than the recorded: its status, and why."""


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EnrolmentServer]:
    async with enrolment_server(tmp_path, limit=UNLIMITED()) as running:
        yield running


@pytest.fixture
async def lenient(tmp_path: Path) -> AsyncIterator[EnrolmentServer]:
    """Takes KubeEdge's tokens too, and knows the node that was known when the requests were recorded."""
    async with enrolment_server(tmp_path, allow_unbound=True, limit=UNLIMITED()) as running:
        await running.nodes.add_node("edge-7")
        yield running


async def token_for(server: EnrolmentServer, node: str | None, lifetime: float = 600.0) -> str:
    return JoinToken.read(await server.tokens.issue(node, lifetime)).jwt


async def enrol(server: EnrolmentServer, token: str, node: str = "edge-7", csr: bytes | None = None) -> Answer:
    headers = [("NodeName", node), ("Authorization", bearer(token))]
    request = request_for(common_name(node)) if csr is None else csr
    return await asyncio.to_thread(server.ask, "/edge.crt", request, headers)


async def renew(server: EnrolmentServer, identity: Path, node: str = "edge-7", named: str = "edge-7") -> Answer:
    headers = [("NodeName", named), ("Authorization", "Bearer ")]  # as edgecore renews: with an empty token
    request = request_for(common_name(node))
    return await asyncio.to_thread(partial(server.ask, "/edge.crt", request, headers, identity=identity))


def assert_refused(answer: Answer, status: int, why: str) -> None:
    assert answer.status == status
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert why in answer.text
    assert "Traceback" not in answer.text


def replayed(header: tuple[str, str], token: str, ca_hash: str) -> tuple[str, str]:
    """Tokens were recorded without their signatures: the same form with a token of ours."""
    name, value = header
    whole = re.sub(r"\b[0-9a-f]{64}\.eyJ[^ ]*", f"{ca_hash}.{token}", value)
    return name, whole if whole != value else re.sub(r"eyJ[^ ]*", token, value)


async def replay(server: EnrolmentServer, case: str) -> list[tuple[Recorded, Answer]]:
    token = await token_for(server, None)
    if case == "bootstrap: wrong token signature":
        head, _, signature = token.rpartition(".")
        token = f"{head}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"
    answers = []
    for request, answer in CASES[case]:
        body = base64.b64decode(request["body_base64"]) if "body_base64" in request else request["body"].encode()
        own = ("host", "accept-encoding", "content-length")
        headers = [
            replayed((n, v), token, server.authority.ca_hash) for n, v in request["headers"] if n.lower() not in own
        ]
        asked = partial(server.ask, request["path"], body, headers, method=request["method"])
        answers.append((answer, await asyncio.to_thread(asked)))
    return answers


def same_extensions(ours: x509.Certificate, theirs: x509.Certificate) -> bool:
    """But for the key of the CA."""
    mine, recorded_ones = ([(e.oid, e.critical, e.value) for e in c.extensions] for c in (ours, theirs))
    authority = x509.AuthorityKeyIdentifier.oid
    return [e for e in mine if e[0] != authority] == [e for e in recorded_ones if e[0] != authority] and [
        e[0] for e in mine
    ] == [e[0] for e in recorded_ones]


def compare_certificates(answer: Recorded, got: Answer, case: str) -> None:
    ours = x509.load_der_x509_certificate(got.body)
    theirs = x509.load_der_x509_certificate(base64.b64decode(answer["body_base64"]))
    assert ours.signature_hash_algorithm
    assert ours.signature_hash_algorithm.name == answer["signature"]
    if answer["subject"] == answer["issuer"]:  # the CA: named twinhub, signs no further CA, and may sign CRLs
        assert ours.subject == ours.issuer
        return
    assert set(ours.subject) == set(theirs.subject)
    assert ours.public_key() == theirs.public_key()
    assert ours.not_valid_after_utc - ours.not_valid_before_utc == timedelta(days=answer["valid_days"])
    # of the uses asked for a client's alone is granted: a node must not be able to pose as the cloud
    assert same_extensions(ours, theirs) == (case != "bootstrap: ExtKeyUsages header")
    uses = ours.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(uses) == [x509.ExtendedKeyUsageOID.CLIENT_AUTH]


def compare(case: str, answer: Recorded, got: Answer) -> None:
    status = int(answer["status"].split()[1])
    if case in DIFFERENCES:
        expected, _ = DIFFERENCES[case]
        assert got.status == expected
        assert got.headers["Content-Type"] == "text/plain; charset=utf-8"
        return
    headers = dict(answer["headers"])
    assert got.status == status
    assert got.headers["Content-Type"] == headers["Content-Type"]
    assert got.headers.get("Allow") == headers.get("Allow")
    if status == 200 and "body_base64" in answer:
        compare_certificates(answer, got, case)
    elif case != "bootstrap: no NodeName header":
        assert got.text == answer["body"]


async def test_every_recorded_request_is_answered_as_recorded_but_for_the_differences(
    lenient: EnrolmentServer,
) -> None:
    assert len(CASES) == 16
    for case in CASES:
        if case != "bootstrap: no NodeName header":
            for answer, got in await replay(lenient, case):
                compare(case, answer, got)


async def test_without_the_name_in_a_header_the_token_must_name_the_node(lenient: EnrolmentServer) -> None:
    """KubeEdge takes any; a token of ours names its node, so the header is not needed."""
    [(_, got)] = await replay(lenient, "bootstrap: no NodeName header")
    assert_refused(got, 400, "NodeName is missing")
    headers = [("Authorization", bearer(await token_for(lenient, "edge-7")))]
    got = await asyncio.to_thread(lenient.ask, "/edge.crt", request_for(common_name("edge-7")), headers)
    assert got.status == 200


async def test_tokens_that_name_no_node_are_refused_unless_allowed(
    server: EnrolmentServer, lenient: EnrolmentServer
) -> None:
    token = await token_for(lenient, None)
    assert (await enrol(lenient, token)).status == 200
    assert_refused(await enrol(server, token), 401, "tokens that name no node are not allowed here")


async def test_the_ca_is_for_everyone_to_see(server: EnrolmentServer) -> None:
    answer = await asyncio.to_thread(server.ask, "/ca.crt")
    assert fingerprint(answer.body) == server.authority.ca_hash


async def test_who_joins_is_known_from_then_on(server: EnrolmentServer) -> None:
    assert_refused(await asyncio.to_thread(server.ask, "/node/edge-7"), 404, "Node not found")
    answer = await enrol(server, await token_for(server, "edge-7"))
    certificate = x509.load_der_x509_certificate(answer.body)
    assert server.nodes.known["edge-7"] == {
        "serial": f"{certificate.serial_number:x}",
        "issued_at": certificate.not_valid_before_utc.timestamp(),
        "not_after": certificate.not_valid_after_utc.timestamp(),
        "address": "127.0.0.1",
    }
    assert (await asyncio.to_thread(server.ask, "/node/edge-7")).text == "Node found"


async def test_a_replayed_token_is_refused(server: EnrolmentServer) -> None:
    token = await token_for(server, "edge-7")
    assert (await enrol(server, token)).status == 200
    assert_refused(await enrol(server, token), 401, "token validation failure, err: the token has been used already")


async def test_the_same_key_may_ask_again_when_the_answer_was_lost(server: EnrolmentServer) -> None:
    token, csr = await token_for(server, "edge-7"), request_for(common_name("edge-7"))
    first, second = await enrol(server, token, csr=csr), await enrol(server, token, csr=csr)
    assert (first.status, second.status) == (200, 200)
    assert first.body != second.body


async def test_a_stolen_token_lets_no_other_node_in(server: EnrolmentServer) -> None:
    token = await token_for(server, "edge-7")
    assert_refused(await enrol(server, token, "edge-8"), 401, "the token is for another node")
    csr = request_for(common_name("edge-8"))
    assert_refused(await enrol(server, token, "edge-7", csr), 400, "CN must be system:node:edge-7")
    headers = [("Authorization", bearer(token))]
    answer = await asyncio.to_thread(server.ask, "/edge.crt", csr, headers)
    assert_refused(answer, 400, "CN must be system:node:edge-7")
    assert server.nodes.known == {}


async def test_an_expired_token_is_refused(server: EnrolmentServer) -> None:
    token = await token_for(server, "edge-7", 60.0)
    server.clock.ahead = 61
    assert_refused(await enrol(server, token), 401, "token is expired")


async def test_a_request_that_cannot_be_signed_costs_no_token(server: EnrolmentServer) -> None:
    token = await token_for(server, "edge-7")
    for csr in (b"", b"hello", request_for("anything")):
        assert_refused(await enrol(server, token, csr=csr), 400, "failed to sign certs for edgenode edge-7, err: ")
    assert (await enrol(server, token)).status == 200


async def test_a_token_made_before_the_node_was_revoked_is_refused(server: EnrolmentServer) -> None:
    token = await token_for(server, "edge-7")
    server.nodes.revoked_at["edge-7"] = server.clock() + 1
    assert_refused(await enrol(server, token), 401, "revoked after the token was made")
    server.clock.ahead = 2
    assert (await enrol(server, await token_for(server, "edge-7"))).status == 200


async def test_who_joins_in_the_second_of_its_revocation_is_not_born_revoked(server: EnrolmentServer) -> None:
    server.nodes.revoked_at["edge-7"] = server.clock()
    token = await token_for(server, "edge-7")
    assert (await enrol(server, token)).status == 200
    known = server.nodes.known["edge-7"]
    assert not server.nodes.revoked("edge-7", known["serial"], known["issued_at"])


async def test_a_node_renews_with_the_certificate_it_has(server: EnrolmentServer, tmp_path: Path) -> None:
    identity = node_identity(server.authority, "edge-7", tmp_path / "node.pem")
    answer = await renew(server, identity)
    assert answer.status == 200
    assert (
        x509.load_der_x509_certificate(answer.body).subject.rfc4514_string() == "CN=system:node:edge-7,O=system:nodes"
    )
    assert "serial" in server.nodes.known["edge-7"]


@pytest.mark.parametrize(("late", "status"), [(-1.0, 200), (29 * DAY, 200), (31 * DAY, 401)])
async def test_an_expired_certificate_is_renewed_within_the_grace_period(
    server: EnrolmentServer, tmp_path: Path, late: float, status: int
) -> None:
    server.clock.ahead = -late - DAY
    identity = node_identity(server.authority, "edge-7", tmp_path / "node.pem", lifetime=DAY)
    server.clock.ahead = 0
    answer = await renew(server, identity)
    assert answer.status == status
    assert status == 200 or "it expired too long ago" in answer.text


async def test_without_a_grace_period_nothing_expired_is_renewed(tmp_path: Path) -> None:
    async with enrolment_server(tmp_path, grace=0.0) as server:
        identity = node_identity(server.authority, "edge-7", tmp_path / "node.pem", lifetime=60)
        server.clock.ahead = 61
        assert_refused(await renew(server, identity), 401, "it expired too long ago")


async def test_a_revoked_node_cannot_renew(server: EnrolmentServer, tmp_path: Path) -> None:
    identity = node_identity(server.authority, "edge-7", tmp_path / "node.pem")
    server.nodes.revoked_at["edge-7"] = server.clock() + 1
    assert_refused(await renew(server, identity), 401, "the node is revoked")


async def test_a_revoked_certificate_cannot_renew_but_another_of_the_node_can(
    server: EnrolmentServer, tmp_path: Path
) -> None:
    old = node_identity(server.authority, "edge-7", tmp_path / "old.pem")
    new = node_identity(server.authority, "edge-7", tmp_path / "new.pem")
    serial = x509.load_pem_x509_certificate(old.read_bytes()).serial_number
    server.nodes.revoked_serials.add(f"{serial:x}")
    assert_refused(await renew(server, old), 401, "the node is revoked")
    assert (await renew(server, new)).status == 200


async def test_nobody_renews_as_another(server: EnrolmentServer, tmp_path: Path) -> None:
    identity = node_identity(server.authority, "edge-7", tmp_path / "node.pem")
    assert_refused(await renew(server, identity, named="edge-8"), 401, "it is the certificate of another node")
    assert_refused(await renew(server, identity, node="edge-8"), 400, "CN must be system:node:edge-7")
    assert_refused(await renew(server, server.authority.operator_identity()), 401, "is no node's")
    assert server.nodes.known == {}


async def test_a_foreign_certificate_does_not_get_as_far_as_a_request(
    server: EnrolmentServer, tmp_path: Path
) -> None:
    identity = node_identity(Authority.open(tmp_path / "foreign"), "edge-7", tmp_path / "node.pem")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await renew(server, identity)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD"])
@pytest.mark.parametrize("path", ["/ca.crt", "/edge.crt", "/node/edge-7"])
async def test_other_methods_are_refused(server: EnrolmentServer, method: str, path: str) -> None:
    answer = await asyncio.to_thread(partial(server.ask, path, method=method))
    assert answer.status == 405
    assert answer.headers["Allow"] == "GET"


@pytest.mark.parametrize("name", ["Edge", "a%2Fb", "%00", "%ff", "edge-7%0d%0aX: y", "a" * 300, "%F0%9F%98%80"])
async def test_what_is_no_name_is_not_found(server: EnrolmentServer, name: str) -> None:
    assert_refused(await asyncio.to_thread(server.ask, f"/node/{name}".replace(" ", "%20")), 404, "Node not found")


async def test_an_oversize_body_is_refused(server: EnrolmentServer) -> None:
    token = await token_for(server, "edge-7")
    assert_refused(await enrol(server, token, csr=b"\x30" * (CSR_BYTES + 1)), 413, "more than 16,384 bytes")
    assert (await enrol(server, token)).status == 200


@pytest.mark.parametrize("name", ["NodeName", "Authorization", "X-Other"])
async def test_an_oversize_header_is_refused(server: EnrolmentServer, name: str) -> None:
    answer = await asyncio.to_thread(server.ask, "/edge.crt", b"", [(name, "x" * 5_000)])
    assert answer.status == 400


async def test_too_many_headers_are_refused(server: EnrolmentServer) -> None:
    answer = await asyncio.to_thread(server.ask, "/ca.crt", b"", [(f"X-{i}", "x") for i in range(100)])
    assert answer.status == 400


async def exchange(server: EnrolmentServer, sent: bytes) -> bytes:
    """Whatever comes back for these bytes, until the server ends or waits for more."""
    context = ssl.create_default_context(cadata=server.authority.ca_pem)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=context)
    try:
        writer.write(sent)
        async with asyncio.timeout(5):
            return await reader.readuntil(b"\r\n\r\n")
    finally:
        writer.close()


CHUNKED = b"GET /edge.crt HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nAuthorization: %s\r\n\r\n"


async def test_a_body_without_end_is_refused(server: EnrolmentServer) -> None:
    token = bearer(await token_for(server, "edge-7")).encode()
    answer = await exchange(server, CHUNKED % token + b"4000\r\n" + b"x" * 0x4000 + b"\r\n1\r\nx\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")


async def test_a_body_that_stays_away_is_waited_for_no_longer_than_stated(
    server: EnrolmentServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloud_sync.enrolment._BODY_SECONDS", 0.05)
    token = bearer(await token_for(server, "edge-7")).encode()
    assert (await exchange(server, CHUNKED % token)).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("body", [b"zz\r\nabc", b"3\r\nabcdef\r\n", b"-1\r\n", b"\x00\x01\x02\x03\r\n"])
async def test_a_body_in_broken_pieces_is_refused(
    server: EnrolmentServer, caplog: pytest.LogCaptureFixture, body: bytes
) -> None:
    token = bearer(await token_for(server, "edge-7")).encode()
    assert b" 400 Bad Request\r\n" in await exchange(server, CHUNKED % token + body)
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /ca.crt HTTP/9.9\r\n\r\n",
        b"GET /ca.crt HTTP/1.1\r\nHost: x\r\nNodeName\r\n\r\n",
        b"GET /ca.crt HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET /ca.crt HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"GET /" + b"a" * 10_000 + b" HTTP/1.1\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_refused(
    server: EnrolmentServer, caplog: pytest.LogCaptureFixture, sent: bytes
) -> None:
    assert b" 400 Bad Request\r\n" in await exchange(server, sent)
    assert "Traceback" not in caplog.text


async def test_a_body_that_would_grow_is_not_unpacked(server: EnrolmentServer) -> None:
    headers = [
        ("NodeName", "edge-7"),
        ("Authorization", bearer(await token_for(server, "edge-7"))),
        ("Content-Encoding", "deflate"),
    ]
    answer = await asyncio.to_thread(server.ask, "/edge.crt", request_for(common_name("edge-7")), headers)
    assert answer.status == 200


async def test_who_goes_away_within_a_request_leaves_one_line(
    server: EnrolmentServer, caplog: pytest.LogCaptureFixture
) -> None:
    context = ssl.create_default_context(cadata=server.authority.ca_pem)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=context)
    expecting = b"GET /edge.crt HTTP/1.1\r\nExpect: 100-continue\r\n" + CHUNKED.partition(b"\r\n")[2]
    writer.write(expecting % bearer(await token_for(server, "edge-7")).encode())
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.transport.abort()
    async with asyncio.timeout(5):
        while not caplog.records:
            await asyncio.sleep(0.01)
    assert "127.0.0.1 got no certificate: the certificate request broke off" in caplog.text.replace(
        "None", "127.0.0.1"
    )
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", "Bearer a b", "Basic YTpi", "Bearer a.b.c", "Bearer null", "Bearer []", "Bearer 1e999"],
)
async def test_hostile_authorization_is_refused(server: EnrolmentServer, authorization: str) -> None:
    headers = [("NodeName", "edge-7"), ("Authorization", authorization)]
    answer = await asyncio.to_thread(server.ask, "/edge.crt", request_for(common_name("edge-7")), headers)
    assert_refused(answer, 401, "token validation failure, ")


@pytest.mark.parametrize("name", ["Edge-7", "../edge", "edge 7", "a" * 254, "null"])
async def test_a_name_that_is_none_is_not_repeated(server: EnrolmentServer, name: str) -> None:
    headers = [("NodeName", name), ("Authorization", bearer(await token_for(server, "edge-7")))]
    answer = await asyncio.to_thread(server.ask, "/edge.crt", request_for(common_name("edge-7")), headers)
    assert answer.status in (400, 401)
    assert name not in answer.text


@given(body=st.binary(max_size=400), usages=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
async def test_hostile_requests_are_answered(server: EnrolmentServer, body: bytes, usages: str) -> None:
    headers = [
        ("NodeName", "edge-7"),
        ("Authorization", bearer(await token_for(server, "edge-7"))),
        ("ExtKeyUsages", usages),
    ]
    answer = await asyncio.to_thread(server.ask, "/edge.crt", body, headers)
    assert_refused(answer, 400, "failed to sign certs")


async def test_whoever_asks_too_often_waits(tmp_path: Path) -> None:
    async with enrolment_server(tmp_path, limit=RateLimit(rate=0.1, burst=3)) as server:
        answers = [await asyncio.to_thread(server.ask, "/ca.crt") for _ in range(4)]
        assert [answer.status for answer in answers] == [200, 200, 200, 429]
        assert 0 < int(answers[3].headers["Retry-After"]) <= 10
        token = await token_for(server, "edge-7")
        assert_refused(await enrol(server, token), 429, "too many requests")


async def test_when_the_store_fails_nothing_is_issued(tmp_path: Path) -> None:
    async with enrolment_server(tmp_path, store_file="cloud.json") as server:
        token = await token_for(server, "edge-7")
        (tmp_path / "cloud.json").write_text("rubbish")
        assert_refused(await enrol(server, token), 503, "try again later")
        assert server.nodes.known == {}
        (tmp_path / "cloud.json").unlink()
        assert (await enrol(server, token)).status == 200


async def test_what_is_logged_holds_no_token(server: EnrolmentServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    token = await token_for(server, "edge-7")
    for node in ("edge-8", "edge-7", "edge-7"):
        await enrol(server, token, node)
    assert "node edge-7 joined from 127.0.0.1" in caplog.text
    assert "got no certificate" in caplog.text
    assert not any(part in caplog.text for part in token.split("."))


def test_the_recorded_requests_are_all_here() -> None:
    assert set(DIFFERENCES) <= set(CASES)
