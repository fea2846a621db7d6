from __future__ import annotations

import sys
from pathlib import Path

import pytest

from edged.choice import choose
from edged.runtime import RuntimeUnavailable


async def test_an_extra_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "edged.cri", None)
    with pytest.raises(RuntimeUnavailable, match=r"pip install 'twinhub\[cri\]'"):
        await choose("cri", tmp_path).__aenter__()


def test_the_engine_that_was_used_is_used_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first = choose("process", tmp_path)
    assert type(choose("auto", tmp_path)) is type(first)
    assert not caplog.records
    choose("cri", tmp_path)
    assert type(choose("auto", tmp_path)) is not type(first)
