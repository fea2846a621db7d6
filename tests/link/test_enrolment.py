"""The texts of enrolment."""

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from link.enrolment import BadToken, JoinToken, bearer, common_name, fingerprint, node_of
from link.handshake import valid_node
from link.limits import TOKEN_CHARACTERS

GOLDEN = Path(__file__).parent / "golden" / "kubeedge_hub.jsonl"
CA = "ab" * 32
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjF9.c2ln"


def test_a_token_is_taken_apart() -> None:
    token = JoinToken.read(f"  {CA.upper()}.{JWT}\n")
    assert token == (CA, JWT)
    assert str(token) == f"{CA}.{JWT}"
    assert bearer(token.jwt) == f"Bearer {JWT}"


@pytest.mark.parametrize(
    "text",
    [
        "", JWT, CA, f"{CA}.{JWT}.more", f"{CA[1:]}.{JWT}", f"{CA}..b.c", f"{CA}.a.b.", f"{CA}.a b.c.d",
        f"{CA}.a.b.ç", f"{CA}.a.b.c\n{CA}.a.b.c", f"{CA}.a.b.{'c' * TOKEN_CHARACTERS}",
    ],
)  # fmt: skip
def test_what_is_no_token_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(BadToken, match="no join token") as refused:
        JoinToken.read(text)
    assert not text or text not in str(refused.value)


@given(st.text(max_size=300))
def test_any_text_is_a_token_or_refused(text: str) -> None:
    try:
        token = JoinToken.read(text)
    except BadToken:
        return
    assert JoinToken.read(str(token)) == token


@given(st.text(max_size=60) | st.from_regex(r"[a-z0-9.-]{1,60}", fullmatch=True))
def test_a_common_name_tells_the_node(node: str) -> None:
    assert node_of(common_name(node)) == (node if valid_node(node) else None)


@given(st.text(max_size=60))
def test_other_common_names_tell_none(name: str) -> None:
    assert name.startswith("system:node:") or node_of(name) is None


def test_the_fingerprint_is_the_one_in_a_recorded_token() -> None:
    lines = [json.loads(line) for line in GOLDEN.read_text().splitlines() if '"case": "bootstrap' in line]
    headers = next(dict(x["headers"]) for x in lines if x["case"] == "bootstrap: whole token instead of the JWT")
    ca = next(x["body_base64"] for x in lines if (x["case"], x["step"]) == ("bootstrap", 2))
    assert headers["Authorization"].startswith(f"Bearer {fingerprint(base64.b64decode(ca))}.")
