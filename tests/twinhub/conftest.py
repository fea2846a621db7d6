from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from live_plant import Plant, make_plant, wait_for


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    """Manifests, nothing running."""
    return make_plant(tmp_path)


@pytest.fixture(scope="module")
def running_plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    """PLC and hub running, every device read at least once."""
    plant = make_plant(tmp_path_factory.mktemp("plant"))
    with ExitStack() as stack:
        stack.enter_context(plant.plc())
        stack.enter_context(plant.hub())
        wait_for(lambda: plant.value("tank", "level") and plant.value("pump", "speed"), "the first readings")
        yield plant
