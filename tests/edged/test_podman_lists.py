from __future__ import annotations

from typing import Any

import pytest

from edged.podman import lists

ENTRY: dict[str, Any] = {
    "Id": "c",
    "Pod": "p",
    "Labels": None,
    "State": "exited",
    "ImageID": "i",
    "Created": "2026-11-23T07:30:24.180295288Z",
    "StartedAt": 1795419024,
    "ExitedAt": 1795419030,
    "ExitCode": 0,
}
NEVER = -62135596800
"""Go's zero time."""


@pytest.mark.parametrize(
    ("code", "oom", "reason"),
    [(0, False, "Completed"), (3, False, "Error"), (137, False, "Error"), (137, True, "OOMKilled")],
)
def test_how_it_ended(code: int, oom: bool, reason: str) -> None:
    one = lists.container({**ENTRY, "ExitCode": code}, oom)
    assert (one.state, one.exit_code, one.reason, one.finished) == ("exited", code, reason, 1795419030)


def test_one_that_runs_has_no_end() -> None:
    one = lists.container({**ENTRY, "State": "running", "ExitedAt": NEVER}, oom_killed=False)
    assert (one.state, one.exit_code, one.reason, one.finished) == ("running", None, "", 0)


def test_one_that_never_ran() -> None:
    one = lists.container({**ENTRY, "State": "created", "StartedAt": NEVER, "ExitedAt": NEVER}, oom_killed=False)
    assert (one.state, one.started, one.finished) == ("created", 0, 0)


def test_one_that_is_stopped_at_this_moment_still_runs() -> None:
    assert lists.container({**ENTRY, "State": "stopping"}, oom_killed=False).state == "running"


def test_a_word_that_nobody_knows() -> None:
    assert lists.container({**ENTRY, "State": "dreaming"}, oom_killed=False).state == "unknown"


@pytest.mark.parametrize(
    ("inside", "ready"),
    [
        ([{"Id": "infra", "Status": "running"}], True),
        ([{"Id": "infra", "Status": "exited"}, {"Id": "other", "Status": "running"}], False),
        (None, False),
    ],
)
def test_a_pod_is_ready_while_its_infra_container_runs(inside: Any, ready: bool) -> None:
    entry = {"Id": "p", "Labels": {}, "InfraId": "infra", "Containers": inside, "Created": ENTRY["Created"]}
    assert lists.infra_runs(entry) is ready
    assert lists.sandbox(entry, "10.0.0.1", ready).ready is ready


def test_one_that_ended_unseen_is_an_error() -> None:
    one = lists.container(lists.lost({**ENTRY, "State": "running"}, 1_700_000_000), oom_killed=False)
    assert (one.state, one.exit_code, one.reason, one.finished) == ("exited", 255, "Error", 1_700_000_000)


def test_an_image_has_each_name_once() -> None:
    entry = {
        "Id": "i",
        "Names": ["localhost/a:1"],
        "RepoDigests": ["localhost/a@sha256:0", "localhost/a:1"],
        "Size": 5,
    }
    assert lists.image(entry).names == ("localhost/a:1", "localhost/a@sha256:0")
    assert lists.image({"Id": "i", "Names": None, "RepoDigests": None, "Size": 5}).names == ()
