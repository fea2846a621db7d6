"""In a process of their own: a limit that was lowered cannot be raised again."""

import subprocess
import sys

import pytest

_CODE = """
import logging, resource, sys
logging.basicConfig(format="%(message)s")
from twinhub.open_files import allow_open_files
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 400))
print(allow_open_files(*map(int, sys.argv[1:])), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(
    ("wanted", "needed", "now", "warned"),
    [
        (50, 50, "100 100 400", False),
        (300, 300, "300 300 400", False),
        (900, 400, "400 400 400", False),
        (900, 401, "400 400 400", True),
    ],
)
def test_the_limit_is_raised_as_far_as_it_may(wanted: int, needed: int, now: str, warned: bool) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _CODE, str(wanted), str(needed)],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert done.stdout.strip() == now
    assert ("nodeLimit" in done.stderr) is warned
