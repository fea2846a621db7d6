"""What a real edgecore and a foreign client said to KubeEdge's cloud, said to ours: what does it answer?

Everything must be as recorded but for ids, times, versions and what Kubernetes adds to objects. Where our cloud means
to differ, `LEFT_OUT`, `INSTEAD` and `SYNC_CONTROLLER` say so, step by step, with the reason.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from edge_clients import Cloud, Edge, until

from link.acknowledgement import acknowledge
from link.handshake import Hello
from link.message import Message, decode, encode

ROWS = [json.loads(line) for line in (Path(__file__).parent / "golden/conversations.jsonl").read_text().splitlines()]
EDGECORE = {1, 2, 3, 4}
"""The connections of the real edgecore; the others are the foreign client's."""

NODE = "a device needs no Node object, so none is sent"
AGAIN = "an object that is confirmed is not sent once more"
MISSED = "what an edge missed comes in the order of everything else, with the membership"
NEVER_READ = "a connection that does not say what it is for is refused, not accepted and never read"
CRASHED = "a null twin is answered with an error and ends nothing"

LEFT_OUT = {
    ("connect", 5): NODE,
    ("connect", 6): NODE,
    ("ACK withheld, then given", 24): AGAIN,
    ("ACK withheld, then given", 25): AGAIN,
    **{("cloudcore back", step): MISSED for step in (8, 9, 10)},
    **{("foreign client: connect as a node that has no Node object", step): MISSED for step in (6, 7, 8)},
    **{("foreign client: null twin (deletion)", step): CRASHED for step in (2, 3)},
    **{("foreign client: after the null twin, cloudcore gone", step): CRASHED for step in range(1, 5)},
    **{("foreign client: connect again", step): AGAIN for step in range(4, 8)},
    **{("foreign client: no ConnectionUse header", step): NEVER_READ for step in range(2, 7)},
}
"""Steps that do not happen here, and why."""

INSTEAD = {
    ("cloudcore back", 7): [
        ("update", "membership"),
        ("delete", "default/device/pump-02"),
        ("update", "default/device/pump-01"),
    ],
    ("foreign client: connect as a node that has no Node object", 5): [
        ("update", "membership"),
        ("insert", "default/devicemodel/pump-model"),
        ("insert", "default/device/pump-08"),
    ],
    ("foreign client: null twin (deletion)", 1): [("error", "device/default/pump-08/twin/edge_updated")],
    ("foreign client: twin report of an unknown device", 1): [("response", "twin")],
}
"""Steps where the cloud says something else (to what the edge says, where that is the edge's step)."""

SYNC_CONTROLLER = {
    ("device updated: label only", 2),
    ("device model updated", 2),
    ("edgecore restarted", 9),
}
"""Steps where KubeEdge's cloud notices late, by another part, which may leave out kind and apiVersion."""


def about(row: Mapping[str, Any]) -> str:
    return f"{row['case']}, step {row['step']}"


def comparable(message: Message) -> dict[str, Any]:
    """Without what differs from run to run."""
    plain: dict[str, Any] = json.loads(encode(message))
    plain["header"] = sorted({"resourceversion"} & plain["header"].keys())
    content = plain.get("content")
    if isinstance(content, dict):
        for name in ("event_id", "timestamp"):
            content.pop(name, None)
        for name in ("uid", "resourceVersion", "generation", "creationTimestamp", "annotations", "managedFields"):
            content.get("metadata", {}).pop(name, None)
        if content.get("status") == {}:  # KubeEdge's defaults, and the empty desired values below
            del content["status"]
        for entry in content.get("spec", {}).get("properties", []):
            if entry.get("desired") == {"value": ""}:
                del entry["desired"]
    return plain


class Replay:
    """The recorded connections, made anew."""

    def __init__(self, cloud: Cloud, stack: AsyncExitStack) -> None:
        self._cloud, self._stack = cloud, stack
        self._edges: dict[int, Edge] = {}
        self._ids: dict[str, str] = {}
        """Recorded id of a message of the cloud → id of ours."""
        self.heard = 0
        """Messages of the cloud that were as recorded."""

    async def play(self, rows: Iterable[Mapping[str, Any]]) -> None:
        for row in rows:
            step = row["case"], row["step"]
            if step in LEFT_OUT:
                continue
            if step not in INSTEAD or row["direction"] == "edge-to-cloud":
                await self._step(row)
            for said in INSTEAD.get(step, ()):
                await self._hear_instead(row, said)

    async def _step(self, row: Mapping[str, Any]) -> None:
        match row["kind"], row.get("direction"):
            case "handshake-request", _:
                await self._connect(row["connection"])
            case "close", "edge-to-cloud":
                self._edges.pop(row["connection"]).kill()
            case "close", "cloud-to-edge":
                await self._closed(row)
            case "api", _:
                await self._act(row)
            case "message", "edge-to-cloud":
                await self._say(row)
            case "message", "cloud-to-edge":
                await self._hear(row)

    async def _connect(self, number: int) -> None:
        node = "edge-7" if number in EDGECORE or number > 10 else "edge-8"
        socket = await self._stack.enter_async_context(self._cloud.dial(Hello(node), self._cloud.identity(node)))
        self._edges[number] = Edge(socket)

    async def _closed(self, row: Mapping[str, Any]) -> None:
        if row["case"] == "cloudcore down":
            self._cloud.server.disconnect("edge-7")
        await self._edges.pop(row["connection"]).closed()
        if row["case"] == "cloudcore down":
            await until(lambda: not self._cloud.links())

    async def _act(self, row: Mapping[str, Any]) -> None:
        verb, kind, name = row["action"].replace("merge patch of", "patch").split(" ")[:3]
        kind = {"device": "Device", "devicemodel": "DeviceModel"}.get(kind, kind)
        key = f"{kind}/default/{name.rstrip(':')}"
        if verb == "delete":
            await self._cloud.registry.delete(key)
        elif verb == "create":
            await self._cloud.apply(row["object"])
        else:
            [known] = [one for one in self._cloud.registry.objects() if one.key == key]
            await self._cloud.apply(merged(known.object, row["object"]))

    async def _say(self, row: Mapping[str, Any]) -> None:
        if "note" in row:  # the recorder kept it from the cloud
            return
        edge = self._edges[row["connection"]]
        if "text" in row:
            await edge.socket.send(row["text"])
            return
        said = dict(row["message"])
        if parent := said.get("header", {}).get("parent_msg_id"):
            said["header"] = {**said["header"], "parent_msg_id": self._ids.get(parent, parent)}
        await edge.socket.send(json.dumps(said))

    async def _hear(self, row: Mapping[str, Any]) -> None:
        [recorded] = decode(json.dumps(row["message"]))
        ours = await self._edges[row["connection"]].receive()
        known = self._ids.setdefault(recorded.header.msg_id, ours.header.msg_id)
        assert known == ours.header.msg_id, f"{about(row)}: sent again with the same id, or not"
        assert bool(ours.header.parent_msg_id) == bool(recorded.header.parent_msg_id), about(row)
        expected = comparable(recorded)
        if (row["case"], row["step"]) in SYNC_CONTROLLER:
            assert expected["route"]["source"] == "edgecontroller"
            expected["route"]["source"] = "devicecontroller"
            kind = "Device" if "/device/" in recorded.route.resource else "DeviceModel"
            expected["content"] |= {"kind": kind, "apiVersion": "devices.kubeedge.io/v1beta1"}
        assert comparable(ours) == expected, about(row)
        self.heard += 1

    async def _hear_instead(self, row: Mapping[str, Any], said: tuple[str, str]) -> None:
        edge = self._edges[row["connection"]]
        message = await edge.receive()
        assert (message.route.operation, message.route.resource) == said, about(row)
        if said[1] != "membership" and not message.header.parent_msg_id:
            await edge.send(acknowledge(message))


def merged(known: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """JSON merge patch (RFC 7396), as far as it was used."""
    result = dict(known)
    for name, value in patch.items():
        old = result.get(name)
        result[name] = merged(old, value) if isinstance(value, dict) and isinstance(old, Mapping) else value
    return result


@asynccontextmanager
async def replaying(cloud: Cloud) -> AsyncIterator[Replay]:
    async with cloud.running(), AsyncExitStack() as stack:
        for node in ("edge-7", "edge-8"):
            await cloud.enrol(node)
        yield Replay(cloud, stack)


async def test_the_real_edgecore_hears_from_us_what_it_heard_from_kubeedge(cloud_of: Callable[..., Cloud]) -> None:
    cloud = cloud_of(keepalive=3.0, resend_after=0.15)
    async with replaying(cloud) as replay:
        await replay.play(row for row in ROWS if not row["case"].startswith("foreign client"))
        latest = (await cloud.log.latest(["default/pump-01"])).get("default/pump-01")
        assert latest is not None
        values = {name: twin.actual.value for name, twin in latest.twin.items() if twin.actual}
        assert values == {"speed": "1310", "temp": "42.0", "running": "false"}
        async with asyncio.timeout(10):
            while await cloud.registry.held.confirmed(
                "edge-7"
            ):  # the last delete is written down behind its acknowledgement
                await asyncio.sleep(0.005)
        assert replay.heard == 40


async def test_a_foreign_client_hears_from_us_what_it_heard_from_kubeedge(cloud_of: Callable[..., Cloud]) -> None:
    cloud = cloud_of(keepalive=10.0)
    async with replaying(cloud) as replay:
        rows = [row for row in ROWS if row["case"].startswith("foreign client")]
        await replay.play(row for row in rows if row.get("connection", 5) not in EDGECORE)
        readings = await cloud.log.readings("default/pump-08", "speed", since=0, until=2**62)
        assert readings[0].value == "1"  # what it says later has the version and the time of this one
        assert replay.heard == 8
