"""`twinhub logs` of a pod of a running hub."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from live_plant import end, wait_for
from live_pods import Node, make_node


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    node = make_node(tmp_path)
    yield node
    node.end()


@contextmanager
def followed(node: Node, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "twinhub", "logs", "-f", f"--state-dir={node.state}", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            end(process)


def test_a_log_is_followed_until_its_pod_is_deleted(node: Node) -> None:
    node.declare("web", says="hello; while sleep 0.1; do echo more; done")
    with node.hub():
        wait_for(lambda: node.is_up("web"), "the pod runs")
        wait_for(lambda: "more" in node.local("logs", "web").stdout, "it says something")
        with followed(node, "web") as process:
            assert process.stdout
            assert process.stdout.readline() == b"hello\n"
            [log] = (node.state / "edged").rglob("0.log")
            written = log.read_bytes()
            log.replace(log.with_name("0.log.1"))
            log.write_bytes(written.splitlines(keepends=True)[0].replace(b"hello", b"begun anew"))
            while process.stdout.readline() != b"begun anew\n":
                assert process.poll() is None
            node.drop("web")
            assert process.wait(20) == 0


def test_of_a_node_there_are_no_parts(node: Node) -> None:
    refused = node.local("logs", "edge-7", "--cloud", "127.0.0.1", "--tail", "2")
    assert refused.returncode == 1
    assert "are for pods" in refused.stderr


def test_a_part_of_a_log(node: Node) -> None:
    node.declare("web", says="one; echo two; echo three")
    with node.hub():
        wait_for(lambda: node.local("logs", "web").stdout == "one\ntwo\nthree\n", "its output is there")
        assert node.local("logs", "web", "--tail", "2").stdout == "two\nthree\n"
        assert node.local("logs", "web", "--since", "2h").stdout == "one\ntwo\nthree\n"
        assert node.local("logs", "web", "--since", "2100-01-01").stdout == ""
        dated = node.local("logs", "web", "--tail=1", "--timestamps").stdout
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z three\n", dated)
        assert node.local("logs", "web", "--tail", "-1").returncode == 2
