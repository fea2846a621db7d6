"""A walk through a server's address space: what variables and methods there are. Bounded in depth and number, and no
node is visited twice, for servers have loops."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple

from asyncua import ua

from mappers.mapper import LinkLost
from mappers.opcua.session import Session

DEPTH = 12
"""Steps from the beginning."""
MOST = 5000
"""Nodes that are visited."""
CLASSES = ua.NodeClass.Object | ua.NodeClass.Variable | ua.NodeClass.Method
OWN_NAMESPACE = 0
"""The standard's: the server's description of itself is no device."""


class Found(NamedTuple):
    """A variable or a method."""

    node: ua.NodeId
    kind: ua.NodeClass
    path: tuple[str, ...]
    """Browse names from the beginning on."""
    parent: ua.NodeId


class Walk:
    """`run` it, then look at `complete`."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._seen: set[ua.NodeId] = set()
        self._variables: set[ua.NodeId] = set()
        self.complete = True
        """Nothing was left out for being too much or too deep."""

    async def run(self, start: ua.NodeId) -> AsyncIterator[Found]:
        """What is below a node, breadth first."""
        level: list[tuple[ua.NodeId, tuple[str, ...]]] = [(start, ())]
        self._seen.add(start)
        most = self._session.limits.browse
        for _ in range(DEPTH):
            below: list[tuple[ua.NodeId, tuple[str, ...]]] = []
            for begin in range(0, len(level), most):
                for parent, path, reference in await self._browse(level[begin : begin + most]):
                    node = _local(reference.NodeId)
                    if not self._is_new(node):
                        continue
                    name = (*path, str(reference.BrowseName.Name or "node"))
                    if reference.NodeClass != ua.NodeClass.Method:
                        below.append((node, name))
                    if reference.NodeClass == ua.NodeClass.Variable:
                        self._variables.add(node)
                    if reference.NodeClass != ua.NodeClass.Object:
                        yield Found(node, reference.NodeClass, name, parent)
            level = below
        self.complete = self.complete and not level

    def _is_new(self, node: ua.NodeId) -> bool:
        if node in self._seen or node.NamespaceIndex == OWN_NAMESPACE:
            return False
        if len(self._seen) >= MOST:
            self.complete = False
            return False
        self._seen.add(node)
        return True

    async def _browse(
        self, parents: Sequence[tuple[ua.NodeId, tuple[str, ...]]]
    ) -> list[tuple[ua.NodeId, tuple[str, ...], Any]]:
        asked = [_description(node) for node, _ in parents]
        uaclient = self._session.client.uaclient
        results = await uaclient.browse(ua.BrowseParameters(NodesToBrowse=asked))
        if len(results) != len(parents):
            raise LinkLost(f"the server answered {len(results)} of {len(parents)} requests to browse")
        found = []
        for (node, path), result in zip(parents, results, strict=True):
            references = list(result.References or ())
            references += await self._rest(result.ContinuationPoint)
            found += [(node, path, each) for each in references if not self._is_remark(node, each)]
        return found

    def _is_remark(self, parent: ua.NodeId, reference: Any) -> bool:
        """A property of a variable is about it: its unit, its limits."""
        return parent in self._variables and reference.ReferenceTypeId == ua.NodeId(ua.ObjectIds.HasProperty)

    async def _rest(self, point: bytes | None) -> list[Any]:
        """What did not fit into one answer."""
        found: list[Any] = []
        while point and len(found) < MOST:
            asked = ua.BrowseNextParameters(ReleaseContinuationPoints=False, ContinuationPoints=[point])
            [result] = await self._session.client.uaclient.browse_next(asked)
            found += result.References or ()
            point = result.ContinuationPoint
        return found


async def children(session: Session, nodes: Sequence[ua.NodeId]) -> list[dict[str, ua.NodeId]]:
    """The properties (HasProperty) of each node, by name."""
    found: list[dict[str, ua.NodeId]] = []
    most = session.limits.browse
    for begin in range(0, len(nodes), most):
        asked = [_description(node, ua.ObjectIds.HasProperty) for node in nodes[begin : begin + most]]
        for result in await session.client.uaclient.browse(ua.BrowseParameters(NodesToBrowse=asked)):
            references = result.References or ()
            found.append({str(each.BrowseName.Name): _local(each.NodeId) for each in references})
    return found


def _description(node: ua.NodeId, reference: int = ua.ObjectIds.HierarchicalReferences) -> ua.BrowseDescription:
    return ua.BrowseDescription(
        NodeId=node,
        BrowseDirection=ua.BrowseDirection.Forward,
        ReferenceTypeId=ua.NodeId(reference),
        IncludeSubtypes=True,
        NodeClassMask=CLASSES,
        ResultMask=ua.BrowseResultMask.All,
    )


def _local(node: ua.NodeId) -> ua.NodeId:
    return ua.NodeId(node.Identifier, node.NamespaceIndex)
