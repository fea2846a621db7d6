"""The certificate authority: what it signs, what it refuses, and what it keeps."""

import fcntl
import stat
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from enrolment_server import Clock, new_key, request_for
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud_sync.authority import Authority, AuthorityError, BadRequest
from cloud_sync.certificates import DAY, read_identity
from link.enrolment import NODES, OPERATORS, common_name, fingerprint
from link.limits import CSR_BYTES

REQUEST = request_for(common_name("edge-7"))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def authority(tmp_path: Path, clock: Clock) -> Authority:
    return Authority.open(tmp_path / "ca", clock=clock)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def subject(certificate: x509.Certificate) -> dict[x509.ObjectIdentifier, str]:
    return {attribute.oid: str(attribute.value) for attribute in certificate.subject}


def test_it_is_made_once_and_for_its_owner_only(authority: Authority, tmp_path: Path) -> None:
    again = Authority.open(tmp_path / "ca")
    assert again.ca_der == authority.ca_der
    assert again.token_key == authority.token_key
    assert authority.ca_hash == fingerprint(authority.ca_der)
    assert mode(tmp_path / "ca") == 0o700
    authority.server_identity(["localhost"])
    authority.operator_identity()
    assert {path.name: mode(path) for path in (tmp_path / "ca").iterdir()} == dict.fromkeys(
        ("ca.pem", "server.pem", "operator.pem", "lock"), 0o600
    )


OPEN = """
import sys
from pathlib import Path
from cloud_sync.authority import Authority
print(Authority.open(Path(sys.argv[1])).ca_hash)
"""


def waits_for(process: subprocess.Popen[str], file: Path) -> bool:
    return any(path.resolve() == file for path in Path(f"/proc/{process.pid}/fd").iterdir() if path.exists())


def test_processes_that_start_together_agree_on_one(tmp_path: Path) -> None:
    first = Authority.open(tmp_path / "first")
    folder = tmp_path / "ca"
    folder.mkdir()
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # as one that is about to make it
        command = [sys.executable, "-c", OPEN, str(folder)]
        others = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        deadline = time.monotonic() + 30
        while not all(waits_for(process, folder / "lock") for process in others):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        (folder / "ca.pem").write_bytes((tmp_path / "first" / "ca.pem").read_bytes())
    assert {process.communicate(timeout=30)[0].strip() for process in others} == {first.ca_hash}


def test_the_ca_signs_nodes_but_no_further_ca(authority: Authority) -> None:
    ca = x509.load_der_x509_certificate(authority.ca_der)
    assert ca.extensions.get_extension_for_class(x509.BasicConstraints).value == x509.BasicConstraints(True, 0)
    assert ca.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    assert ca.not_valid_after_utc - ca.not_valid_before_utc > timedelta(days=36_400)
    assert ca.subject == ca.issuer


def test_what_a_crash_left_half_written_is_no_hindrance(tmp_path: Path) -> None:
    folder = tmp_path / "ca"
    folder.mkdir()
    (folder / ".ca.pem.new").write_bytes(b"-----BEGIN PRIV")
    authority = Authority.open(folder)
    assert Authority.open(folder).ca_hash == authority.ca_hash


@pytest.mark.parametrize(
    "found", [b"", b"rubbish", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
)
def test_a_broken_ca_is_named_and_left_alone(tmp_path: Path, found: bytes) -> None:
    (tmp_path / "ca.pem").write_bytes(found)
    with pytest.raises(AuthorityError, match=r"ca\.pem holds no EC key with its certificate .* put back a copy"):
        Authority.open(tmp_path)
    assert (tmp_path / "ca.pem").read_bytes() == found


def test_a_key_beside_the_certificate_of_another_is_broken(tmp_path: Path) -> None:
    for name in ("one", "other"):
        Authority.open(tmp_path / name)
    one, other = (read_identity((tmp_path / name / "ca.pem").read_bytes()) for name in ("one", "other"))
    (tmp_path / "one" / "ca.pem").write_bytes(one._replace(certificate=other.certificate).pem())
    with pytest.raises(AuthorityError, match="not of this key"):
        Authority.open(tmp_path / "one")


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AuthorityError, match=f"cannot use {tmp_path}/file/ca"):
        Authority.open(tmp_path / "file" / "ca")


def test_a_ca_that_the_owner_brings_is_used(authority: Authority, tmp_path: Path) -> None:
    key, _, certificate = (tmp_path / "ca" / "ca.pem").read_text().partition("-----BEGIN CERTIFICATE")
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "ca.pem").write_text(f"-----BEGIN CERTIFICATE{certificate}{key}")
    assert Authority.open(tmp_path / "new").ca_hash == authority.ca_hash


def test_the_certificate_of_a_node_is_as_kubeedge_makes_it(authority: Authority) -> None:
    key = new_key()
    der = authority.sign_node(request_for(common_name("edge-7"), key=key, organisation="nobody"), "edge-7")
    certificate = x509.load_der_x509_certificate(der)
    certificate.verify_directly_issued_by(x509.load_der_x509_certificate(authority.ca_der))
    assert subject(certificate) == {NameOID.ORGANIZATION_NAME: NODES, NameOID.COMMON_NAME: "system:node:edge-7"}
    assert certificate.public_key() == key.public_key()
    assert certificate.not_valid_after_utc - certificate.not_valid_before_utc == timedelta(days=365)
    assert abs(certificate.not_valid_before_utc.timestamp() - time.time()) < 60
    uses = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(uses) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    with pytest.raises(x509.ExtensionNotFound):
        certificate.extensions.get_extension_for_class(x509.BasicConstraints)


def test_every_certificate_has_a_number_of_its_own_and_the_lifetime_asked_for(authority: Authority) -> None:
    made = [x509.load_der_x509_certificate(authority.sign_node(REQUEST, "edge-7", 90.0)) for _ in range(3)]
    assert len({certificate.serial_number for certificate in made}) == 3
    assert {c.not_valid_after_utc - c.not_valid_before_utc for c in made} == {timedelta(seconds=90)}


def changed(der: bytes, at: int) -> bytes:
    return der[:at] + bytes([der[at] ^ 1]) + der[at + 1 :]


@pytest.mark.parametrize(
    ("request_der", "why"),
    [
        (b"", "0 bytes"),
        (b"hello", "failed to parse csr"),
        (REQUEST[:-1], "failed to parse csr"),
        (b"\x30" * (CSR_BYTES + 1), "16,385 bytes"),
        (changed(REQUEST, len(REQUEST) - 2), "not signed with its own key"),
        (request_for(common_name("edge-8")), "CN must be system:node:edge-7"),
        (request_for("edge-7"), "CN must be system:node:edge-7"),
        (request_for("anything"), "CN must be system:node:edge-7"),
        (request_for(), "CN must be system:node:edge-7"),
        (request_for(common_name("edge-7"), common_name("edge-8")), "CN must be system:node:edge-7"),
        (request_for(common_name("edge-7"), key=rsa.generate_private_key(65537, 2048)), "EC P-256"),
        (request_for(common_name("edge-7"), key=ec.generate_private_key(ec.SECP384R1())), "EC P-256"),
    ],
)
def test_a_request_is_refused(authority: Authority, request_der: bytes, why: str) -> None:
    with pytest.raises(BadRequest, match=why):
        authority.sign_node(request_der, "edge-7")


@given(st.lists(st.tuples(st.integers(0, len(REQUEST) - 1), st.integers(0, 255)), min_size=1, max_size=4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
def test_hostile_requests_are_refused_or_signed_as_ever(authority: Authority, edits: list[tuple[int, int]]) -> None:
    der = bytearray(REQUEST)
    for at, byte in edits:
        der[at] = byte
    try:
        certificate = x509.load_der_x509_certificate(authority.sign_node(bytes(der), "edge-7"))
    except BadRequest:
        return
    assert subject(certificate) == {NameOID.ORGANIZATION_NAME: NODES, NameOID.COMMON_NAME: "system:node:edge-7"}


def test_a_server_answers_to_its_hosts(authority: Authority) -> None:
    path = authority.server_identity(["hub.example.com", "127.0.0.1", "::1", "bücher.example"])
    certificate = read_identity(path.read_bytes()).certificate
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(names.get_values_for_type(x509.DNSName)) == {"hub.example.com", "xn--bcher-kva.example"}
    assert {str(ip) for ip in names.get_values_for_type(x509.IPAddress)} == {"127.0.0.1", "::1"}
    uses = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(uses) == [ExtendedKeyUsageOID.SERVER_AUTH]


def test_a_server_cannot_have_any_name(authority: Authority) -> None:
    with pytest.raises(AuthorityError, match="cannot be called so"):
        authority.server_identity(["a" * 64 + ".example"])


def test_the_certificate_of_a_server_stays_until_it_must_be_renewed(authority: Authority, clock: Clock) -> None:
    first = authority.server_identity(["localhost"]).read_bytes()
    clock.ahead = 240 * DAY
    assert authority.server_identity(["localhost"]).read_bytes() == first
    assert 0 < authority.server_renewal() < 5 * DAY
    clock.ahead = 250 * DAY
    assert authority.server_renewal() == 0
    second = authority.server_identity(["localhost"]).read_bytes()
    assert second != first
    assert read_identity(second).certificate.not_valid_after_utc.timestamp() > clock() + 360 * DAY


def test_a_server_that_gets_another_name_keeps_those_it_had(authority: Authority) -> None:
    authority.server_identity(["localhost"])
    path = authority.server_identity(["hub.example.com"])
    names = read_identity(path.read_bytes()).certificate.extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert set(names.value.get_values_for_type(x509.DNSName)) == {"hub.example.com", "localhost"}
    assert authority.server_identity(["localhost"]).read_bytes() == path.read_bytes()


def test_what_another_ca_signed_is_made_anew(authority: Authority, tmp_path: Path) -> None:
    foreign = Authority.open(tmp_path / "foreign").server_identity(["localhost"]).read_bytes()
    (tmp_path / "ca" / "server.pem").write_bytes(foreign)
    assert authority.server_identity(["localhost"]).read_bytes() != foreign


def test_an_operator_gets_everything_in_one_file(authority: Authority, clock: Clock) -> None:
    path = authority.operator_identity()
    pem = path.read_bytes()
    identity = read_identity(pem)
    assert subject(identity.certificate)[NameOID.ORGANIZATION_NAME] == OPERATORS
    assert x509.load_pem_x509_certificates(pem)[1].public_bytes(Encoding.DER) == authority.ca_der
    assert authority.operator_identity().read_bytes() == pem
    clock.ahead = 4 * 365 * DAY
    assert authority.operator_identity().read_bytes() != pem
