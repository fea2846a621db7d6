"""Clouds for the tests of the link."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from edge_clients import QUICK, Cloud


@pytest.fixture
def cloud_of(tmp_path: Path) -> Callable[..., Cloud]:
    """A cloud with these settings changed; not running yet."""
    return lambda **changed: Cloud(tmp_path, replace(QUICK, **changed))


@pytest.fixture
async def cloud(cloud_of: Callable[..., Cloud]) -> AsyncIterator[Cloud]:
    """A running cloud."""
    async with cloud_of().running() as running:
        yield running
