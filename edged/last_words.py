"""What a container said at its end, as the kubelet takes it: from the file at its terminationMessagePath, or from its
log (Kubernetes: "Determine the Reason for Pod Failure")."""

from __future__ import annotations

import os
from pathlib import Path

from edged.pod import Container
from edged.runtime import ContainerPlan, FoundContainer

__all__ = ["last_words", "place"]

LONGEST = 4096
"""Bytes of the file; its end counts."""
LOG_LONGEST, LOG_LINES = 2048, 80
"""Bytes, and lines, of a log's end."""
LOG_READ = 64 * 1024
"""Bytes of a log file among which they are looked for."""


def place(plan: ContainerPlan) -> None:
    """Make the file, empty, for a container of any user to write. OSError."""
    if plan.message_file:
        file = Path(plan.message_file)
        file.write_bytes(b"")
        file.chmod(0o666)


def last_words(container: Container, plan: ContainerPlan, record: FoundContainer) -> str:
    """Of one that has ended and was made from this plan; empty where it said nothing. Blocking."""
    said = _tail(Path(plan.message_file), LONGEST) if plan.message_file else b""
    if not said and record.exit_code and container.termination_message_policy == "FallbackToLogsOnError":
        said = _text(_tail(Path(plan.log_path), LOG_READ))
    return said.decode(errors="replace").strip()


def _tail(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - most))
            return file.read(most)
    except OSError:
        return b""


def _text(log: bytes) -> bytes:
    """The last of what it said, without the stamps of `log_line`; a first line that is cut has none."""
    lines = [line.split(b" ", 3) for line in log.splitlines()[-LOG_LINES:]]
    parts = [line[3] + (b"\n" if line[2] == b"F" else b"") for line in lines if len(line) == 4]
    return b"".join(parts).rstrip(b"\n")[-LOG_LONGEST:]
