"""Does what commands ask of edged: finds logs, has commands run in containers, takes images."""

from __future__ import annotations

from pathlib import Path

from edged.edged import Edged
from edged.errands import (
    Answer,
    Errand,
    Exec,
    ImageList,
    ImageRow,
    Images,
    Load,
    Loaded,
    Log,
    LogFile,
    Refusal,
)
from edged.relay import Relay
from edged.runtime import Runtime, RuntimeRefused, RuntimeUnavailable
from edged.sight import alive, name_of

__all__ = ["ErrandDesk"]


class _Cannot(Exception):
    """Says why, to who asked."""


class _Absent(_Cannot):
    """There is no such pod."""


class ErrandDesk:
    """Works on what an edged has and on the runtime that it entered."""

    def __init__(self, edged: Edged, runtime: Runtime) -> None:
        self._edged = edged
        self._runtime = runtime

    async def serve(self, errand: Errand) -> Answer | Relay:
        """Do it, or have it done by a relay. What cannot be done is a `Refusal`."""
        try:
            return await self._do(errand)
        except (_Cannot, RuntimeRefused, RuntimeUnavailable, OSError) as error:
            return Refusal(str(error), absent=isinstance(error, _Absent))

    async def _do(self, errand: Errand) -> Answer | Relay:
        if isinstance(errand, Log):
            return self._log(errand)
        if self._edged.absence:
            raise _Cannot(f"the container engine does not answer: {self._edged.absence}")
        match errand:
            case Exec():
                session = self._runtime.session(
                    self._running(errand), errand.command, stdin=errand.stdin, terminal=errand.terminal
                )
                return Relay(session, errand.within)
            case Load():
                names = await self._runtime.load(_file(errand.path))
                self._edged.images_changed()
                return Loaded(tuple(names))
            case Images():
                rows = (ImageRow(one.id, tuple(one.names), one.size) for one in await self._runtime.images())
                return ImageList(tuple(rows))

    def _log(self, errand: Log) -> LogFile:
        name = self._container(errand.pod, errand.container)
        path = self._edged.log(errand.pod, name, errand.before)
        if path is None or not path.exists():
            none = "has no log of the time before its last restart" if errand.before else "has said nothing yet"
            raise _Cannot(f"the container {name} of {errand.pod} {none}")
        status = self._edged.status(errand.pod)
        ended = status is None or status.phase in ("Succeeded", "Failed")
        return LogFile(str(path), name, ended=ended or errand.before > 0)

    def _running(self, errand: Exec) -> str:
        """The id of the container that runs."""
        name = self._container(errand.pod, errand.container)
        for one in self._edged.found(errand.pod).containers:
            if name_of(one) == name and one.state == "running" and alive(one):
                return one.id
        raise _Cannot(f"the container {name} of {errand.pod} does not run; `twinhub describe pod` says why")

    def _container(self, pod_id: str, wanted: str) -> str:
        """The container that is meant; the first where none is named, as kubectl takes it."""
        status = self._edged.status(pod_id)
        if status is None:
            raise _Absent(f"there is no pod {pod_id}; `twinhub get pods` lists them")
        names = [one.name for one in (*status.container_statuses, *status.init_container_statuses)]
        if wanted and wanted not in names:
            raise _Cannot(f"{pod_id} has no container {wanted}; it has {', '.join(names) or 'none yet'}")
        if not names:
            raise _Cannot(f"{pod_id} has no containers yet: {status.message or status.phase}")
        return wanted or names[0]


def _file(path: str) -> str:
    """A pipe might never end."""
    try:
        if Path(path).is_file():
            return path
    except ValueError:
        pass  # no path at all
    raise _Cannot(f"{path!r} is no file that the hub can read")
