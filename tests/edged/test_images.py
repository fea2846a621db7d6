from __future__ import annotations

import msgspec
import pytest
from node import container

from edged.images import names, policy
from edged.pod import Container


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("app", "Always"),
        ("app:latest", "Always"),
        ("app:1", "IfNotPresent"),
        ("reg:5000/app", "Always"),
        ("reg:5000/app:1", "IfNotPresent"),
        ("app@sha256:0", "IfNotPresent"),
    ],
)
def test_the_policy_where_none_is_written(image: str, expected: str) -> None:
    assert policy(msgspec.convert(container(image=image), Container)) == expected


@pytest.mark.parametrize(
    ("image", "held_as"),
    [
        ("app", "docker.io/library/app:latest"),
        ("app:1", "localhost/app:1"),
        ("me/app", "docker.io/me/app:latest"),
        ("reg:5000/app", "reg:5000/app:latest"),
        ("localhost/app:1", "localhost/app:1"),
        ("host", "host"),
    ],
)
def test_an_image_is_known_by_the_names_engines_give_it(image: str, held_as: str) -> None:
    assert held_as in names(image)


def test_a_registry_is_not_guessed_where_one_is_named() -> None:
    assert names("reg.example/app:1") == {"reg.example/app:1"}
