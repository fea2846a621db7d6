"""Join tokens: for one node, once, for a time; and KubeEdge's, where they are allowed."""

import asyncio
import json
import subprocess
import sys
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from pathlib import Path

import jwt
import pytest
from enrolment_server import Clock
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud_sync.authority import Authority
from cloud_sync.tokens import TokenRefused, Tokens
from link.enrolment import JoinToken
from link.limits import TOKEN_CHARACTERS
from twin.store import Store, open_store

OURS, OTHERS = "11" * 32, "22" * 32
"""Fingerprints of public keys."""


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.open(tmp_path / "ca")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(tmp_path / "cloud.db") as opened:
        yield opened


@pytest.fixture
def tokens(store: Store, authority: Authority, clock: Clock) -> Tokens:
    return Tokens(store, authority, clock=clock)


async def issue(tokens: Tokens, node: str | None = "edge-7", lifetime: float = 60.0) -> str:
    """What the cloud gets to see of a new token."""
    return JoinToken.read(await tokens.issue(node, lifetime)).jwt


async def test_a_token_names_the_ca_and_the_node(tokens: Tokens, authority: Authority, clock: Clock) -> None:
    token = JoinToken.read(await tokens.issue("edge-7", 60.0))
    assert token.ca == authority.ca_hash
    claims = tokens.check(token.jwt, "edge-7")
    assert claims.node == "edge-7"
    assert abs(claims.expires - clock() - 60) < 2
    assert tokens.check(token.jwt, "") == claims


async def test_kubeedge_would_accept_the_signature(tokens: Tokens, authority: Authority) -> None:
    said = jwt.decode(await issue(tokens), authority.token_key, algorithms=["HS256"])
    assert set(said) == {"exp", "iat", "jti", "node"}


async def test_no_two_are_alike(tokens: Tokens) -> None:
    assert len({await issue(tokens) for _ in range(10)}) == 10


async def test_it_is_for_its_node_alone(tokens: Tokens) -> None:
    with pytest.raises(TokenRefused, match="for another node"):
        tokens.check(await issue(tokens), "edge-8")


async def test_it_expires(tokens: Tokens, clock: Clock) -> None:
    token = await issue(tokens)
    clock.ahead = 58
    tokens.check(token, "edge-7")
    clock.ahead = 60
    with pytest.raises(TokenRefused, match="token is expired"):
        tokens.check(token, "edge-7")


async def test_another_authority_is_not_believed(tokens: Tokens, store: Store, tmp_path: Path) -> None:
    foreign = await issue(Tokens(store, Authority.open(tmp_path / "foreign")))
    with pytest.raises(TokenRefused, match="token signature is invalid: signature is invalid"):
        tokens.check(foreign, "edge-7")


def unsigned(header: dict[str, object], payload: dict[str, object]) -> str:
    parts = (urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (header, payload))
    return f"{'.'.join(parts)}."


@pytest.mark.parametrize("algorithm", ["none", "None", "HS384", "RS256", "", 7, None])
async def test_no_other_algorithm_is_believed(tokens: Tokens, clock: Clock, algorithm: object) -> None:
    payload: dict[str, object] = {"exp": clock() + 60, "node": "edge-7", "jti": "a"}
    with pytest.raises(TokenRefused):
        tokens.check(unsigned({"alg": algorithm, "typ": "JWT"}, payload), "edge-7")


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"node": "edge-7", "jti": "a"},
        {"exp": "tomorrow", "node": "edge-7", "jti": "a"},
        {"exp": 9e9, "node": "edge-7"},
        {"exp": 9e9, "jti": "a"},
        {"exp": 9e9, "node": ["edge-7"], "jti": "a"},
        {"exp": 9e9, "node": "edge-7", "jti": {}},
    ],
)
async def test_signed_by_the_ca_but_no_token(
    tokens: Tokens, authority: Authority, payload: dict[str, object]
) -> None:
    with pytest.raises(TokenRefused, match="malformed: could not be read"):
        tokens.check(jwt.encode(payload, authority.token_key, "HS256"), "edge-7")


NESTED = urlsafe_b64encode(b"[" * 1_500).decode()


@pytest.mark.parametrize(
    "token",
    ["", "a", "a.b", "a.b.c", "a.b.c.d", "..", "\ud800.b.c", f"{NESTED}.b.c", "é.b.c", "a" * (TOKEN_CHARACTERS + 1)],
)
async def test_rubbish_is_refused(tokens: Tokens, token: str) -> None:
    with pytest.raises(TokenRefused, match="token is malformed"):
        tokens.check(token, "edge-7")


@given(st.text(max_size=300) | st.binary(max_size=300).map(lambda b: f"{urlsafe_b64encode(b).decode()}.e30.AA"))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_hostile_tokens_are_refused(tokens: Tokens, token: str) -> None:
    with pytest.raises(TokenRefused):
        tokens.check(token, "edge-7")


async def test_it_is_good_once(tokens: Tokens) -> None:
    claims = tokens.check(await issue(tokens), "edge-7")
    await tokens.spend(claims, OURS, "192.0.2.1")
    with pytest.raises(TokenRefused, match="used already"):
        await tokens.spend(claims, OTHERS, "192.0.2.1")


async def test_whose_answer_was_lost_may_ask_again_with_the_same_key(tokens: Tokens) -> None:
    claims = tokens.check(await issue(tokens), "edge-7")
    await tokens.spend(claims, OURS, "192.0.2.1")
    await tokens.spend(claims, OURS, "192.0.2.9")


async def test_to_check_is_not_to_spend(tokens: Tokens, store: Store) -> None:
    token = await issue(tokens)
    for _ in range(3):
        tokens.check(token, "edge-7")
    assert await store.list("Token/") == []


async def test_of_many_at_once_one_spends_it(tokens: Tokens) -> None:
    claims = tokens.check(await issue(tokens), "edge-7")
    tries = [tokens.spend(claims, f"{i:064x}", "192.0.2.1") for i in range(8)]
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    assert outcomes.count(None) == 1
    assert sum(isinstance(outcome, TokenRefused) for outcome in outcomes) == 7


SPEND = """
import asyncio, sys
from pathlib import Path
from cloud_sync.authority import Authority
from cloud_sync.tokens import TokenRefused, Tokens
from twin.store import open_store

async def main(folder, token, key):
    async with open_store(folder / "cloud.db") as store:
        tokens = Tokens(store, Authority.open(folder / "ca"))
        claims = tokens.check(token, "edge-7")
        print("ready", flush=True)
        sys.stdin.readline()
        try:
            await tokens.spend(claims, key, "192.0.2.1")
        except TokenRefused:
            print("refused")
        else:
            print("spent")

asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
"""


async def test_of_two_processes_one_spends_it(tokens: Tokens, tmp_path: Path) -> None:
    token = await issue(tokens)
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", SPEND, str(tmp_path), token, key,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )
        for key in (OURS, OTHERS)
    ]  # fmt: skip
    for process in processes:
        assert process.stdout
        assert await process.stdout.readline() == b"ready\n"
    said = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    assert sorted(out for out, _ in said) == [b"refused\n", b"spent\n"]


async def test_it_stays_spent_in_another_process(tokens: Tokens, authority: Authority, tmp_path: Path) -> None:
    claims = tokens.check(await issue(tokens), "edge-7")
    await tokens.spend(claims, OURS, "192.0.2.1")
    async with open_store(tmp_path / "cloud.db") as other:
        with pytest.raises(TokenRefused, match="used already"):
            await Tokens(other, authority).spend(claims, OTHERS, "192.0.2.1")


async def test_spent_tokens_are_forgotten_when_they_have_expired(tokens: Tokens, store: Store, clock: Clock) -> None:
    for lifetime in (10.0, 200.0):
        await tokens.spend(tokens.check(await issue(tokens, lifetime=lifetime), "edge-7"), OURS, "192.0.2.1")
    clock.ahead = 100
    await tokens.spend(tokens.check(await issue(tokens), "edge-7"), OURS, "192.0.2.1")
    left = [entry.value["expires"] for entry in await store.list("Token/")]
    assert len(left) == 2
    assert min(left) > clock()


@pytest.mark.parametrize("node", ["", "Edge", "edge 7", "../edge", "a" * 254])
async def test_a_token_needs_the_name_of_a_node(tokens: Tokens, node: str) -> None:
    with pytest.raises(ValueError, match="lower-case letters"):
        await tokens.issue(node)


async def test_tokens_for_everyone_must_be_allowed(tokens: Tokens, authority: Authority, store: Store) -> None:
    with pytest.raises(ValueError, match="must name its node"):
        await tokens.issue(None)
    lenient = Tokens(store, authority, allow_unbound=True)
    token = await issue(lenient, None)
    assert set(jwt.decode(token, authority.token_key, algorithms=["HS256"])) == {"exp"}
    with pytest.raises(TokenRefused, match="name no node are not allowed"):
        tokens.check(token, "edge-7")
    for node in ("edge-7", "edge-8"):
        claims = lenient.check(token, node)
        await lenient.spend(claims, OURS, "192.0.2.1")
        await lenient.spend(claims, OTHERS, "192.0.2.1")
