from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinhub import cloud_parts
from twinhub.cloud_parts import parts


@given(st.lists(st.integers(0, 400), max_size=30))
def test_all_objects_are_in_parts_that_fit(sizes: list[int]) -> None:
    objects: list[dict[str, Any]] = [{"a": "x" * size} for size in sizes]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cloud_parts, "OBJECTS", 5)
        patch.setattr(cloud_parts, "BYTES", 500)
        found = list(parts(objects))
    assert [one for part in found for one in part] == objects
    for part in found:
        assert 1 <= len(part) <= 5
        assert len(part) == 1 or sum(len(msgspec.json.encode(one)) for one in part) <= 500
    for part, following in pairwise(found):
        room = 500 - sum(len(msgspec.json.encode(one)) for one in part)
        assert len(part) == 5 or len(msgspec.json.encode(following[0])) > room, "another one would have fitted"
