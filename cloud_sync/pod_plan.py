"""Which pods a node has to be brought, in which order, and the ConfigMaps and Secrets they need. Pure.

Pods that go leave room for those that come; a source comes before the pods that name it and goes after them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cloud_sync.step import Held, Step, arrival, removal
from cloud_sync.stored import POD, StoredObject

__all__ = ["pod_plan"]


def pod_plan(wanted: Sequence[StoredObject], confirmed: Mapping[str, Held]) -> list[Step]:
    """The steps from `confirmed` to `wanted`: pods, and all sources they name that there are."""
    keys = {one.key for one in wanted}
    gone = sorted(key for key in confirmed if key not in keys)
    sure = {key: held for key, held in confirmed.items() if held.version}
    return [
        *(removal(key, confirmed[key]) for key in gone if _is_pod(key)),
        *(step for one in sorted(wanted, key=_sources_first) for step in arrival(one, sure.get(one.key))),
        *(removal(key, confirmed[key]) for key in gone if not _is_pod(key)),
    ]


def _is_pod(key: str) -> bool:
    return key.startswith(f"{POD}/")


def _sources_first(one: StoredObject) -> tuple[bool, str]:
    return one.kind == POD, one.key
