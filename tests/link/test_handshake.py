from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from link.handshake import PROJECT, BadHandshake, Channel, Hello, Welcome, path, valid_node
from link.limits import HEADER_CHARACTERS, NODE_CHARACTERS

JOURNAL = "0123456789abcdef" * 2
nodes = st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,20}[a-z0-9])?", fullmatch=True)
hellos = nodes.map(Hello) | st.builds(
    Hello, nodes, st.just(PROJECT), st.sampled_from(Channel), st.text("0123456789abcdef", min_size=32, max_size=32)
)
cases = st.sampled_from([str.lower, str.upper, str.title, str])


@given(hellos, cases)
def test_a_hello_is_read_as_it_was_said_in_any_letter_case(hello, case):
    assert Hello.read([(case(name), value) for name, value in hello.headers().items()]) == hello


@given(st.integers(0, 10**17), cases)
def test_a_welcome_is_read_as_it_was_said(resume, case):
    for welcome in (Welcome(), Welcome(plain=False, resume=resume)):
        assert Welcome.read([(case(name), value) for name, value in welcome.headers().items()]) == welcome


def test_an_edge_of_ours_is_a_plain_edge_with_more_headers():
    plain, ours = Hello("edge-7"), Hello("edge-7", journal=JOURNAL, channel=Channel.BUS)
    assert plain.plain
    assert not ours.plain
    assert plain.headers().items() <= ours.headers().items()
    assert path(plain) == path(ours) == f"/{PROJECT}/edge-7/events"


def said(**changed: str | None) -> list[tuple[str, str]]:
    headers = {
        "Node_id": "edge-7",
        "Connectionuse": "msg",
        "Twinhub-Link": "1",
        "Twinhub-Channel": "bus",
        "Twinhub-Journal": JOURNAL,
    } | {name.replace("_x_", "-"): value for name, value in changed.items()}
    return [(name, value) for name, value in headers.items() if value is not None]


def test_without_a_project_it_is_the_default_one():
    assert Hello.read(said()) == Hello("edge-7", PROJECT, Channel.BUS, JOURNAL)


def test_a_link_of_another_version_is_the_plain_wire():
    assert Hello.read(said(Twinhub_x_Link="2")).plain
    assert Welcome.read([("Twinhub-Link", "2"), ("Twinhub-Resume", "7")]) == Welcome()


def test_the_first_of_two_equal_headers_counts():
    assert Hello.read([*said(), ("node_id", "edge-8")]).node == "edge-7"


@pytest.mark.parametrize(
    "headers",
    [
        [],
        said(Node_id=None),
        said(Node_id=""),
        said(Node_id="../edge"),
        said(Node_id="Edge"),
        said(Node_id="edge_7"),
        said(Node_id="edge-7\n"),
        said(Node_id="e" * (NODE_CHARACTERS + 1)),
        said(Node_id="e" * (HEADER_CHARACTERS + 1)),
        said(Connectionuse=None),
        said(Connectionuse="stream"),
        said(Project_id="p" * (HEADER_CHARACTERS + 1)),
        said(Twinhub_x_Journal=None),
        said(Twinhub_x_Journal="g" * 32),
        said(Twinhub_x_Journal=JOURNAL + "0"),
        said(Twinhub_x_Channel=None),
        said(Twinhub_x_Channel="BUS"),
    ],
)
def test_what_makes_no_connection(headers):
    with pytest.raises(BadHandshake):
        Hello.read(headers)


@pytest.mark.parametrize("resume", ["", "-1", "1.0", "x", "²", "9" * 19])
def test_a_resume_that_is_no_number(resume):
    with pytest.raises(BadHandshake, match="Twinhub-Resume"):
        Welcome.read([("Twinhub-Link", "1"), ("Twinhub-Resume", resume)])


@given(st.lists(st.tuples(st.text(max_size=20), st.text(max_size=20)) | st.sampled_from(said()), max_size=8))
def test_any_headers_are_a_hello_or_refused(headers):
    try:
        hello = Hello.read(headers)
    except BadHandshake:
        return
    assert valid_node(hello.node)
