"""What a manifest calls a node, found in a server: node ids as they are, browse paths by asking."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from asyncua import ua

from mappers.mapper import LinkLost
from mappers.opcua import place
from mappers.opcua.session import Session


async def find(session: Session, written: Iterable[str]) -> dict[str, ua.NodeId]:
    """The nodes by what the manifest calls them; what is not there is left out."""
    names = list(dict.fromkeys(written))
    found = {name: ua.NodeId.from_string(name) for name in names if not place.is_path(name)}
    paths = [name for name in names if place.is_path(name)]
    most = session.limits.translate
    for start in range(0, len(paths), most):
        found |= await _translate(session, paths[start : start + most])
    return found


async def _translate(session: Session, paths: Sequence[str]) -> dict[str, ua.NodeId]:
    root = ua.NodeId(ua.ObjectIds.RootFolder)
    asked = [ua.BrowsePath(StartingNode=root, RelativePath=_path(path)) for path in paths]
    results = await session.client.uaclient.translate_browsepaths_to_nodeids(asked)
    if len(results) != len(paths):
        raise LinkLost(f"the server answered {len(results)} of {len(paths)} browse paths")
    return {
        path: ua.NodeId(result.Targets[0].TargetId.Identifier, result.Targets[0].TargetId.NamespaceIndex)
        for path, result in zip(paths, results, strict=True)
        if result.StatusCode.is_good() and result.Targets
    }


def _path(written: str) -> ua.RelativePath:
    return ua.RelativePath(Elements=[_element(number, name) for number, name in place.steps(written)])


def _element(number: int, name: str) -> ua.RelativePathElement:
    return ua.RelativePathElement(
        ReferenceTypeId=ua.NodeId(ua.ObjectIds.HierarchicalReferences),
        IsInverse=False,
        IncludeSubtypes=True,
        TargetName=ua.QualifiedName(name, number),
    )
