"""OPC-UA servers in one process, whose variables are numbered tags that change again and again, and black holes.

    python -m bench.opcua_server --base-port 21000 --count 1 --devices 100 --tags 100 --every-ms 1000 --step-ms 2

Tag n of a device (`ns=2;s=<device>.<tag>`) is the clock in steps plus n, as `bench.fleet_probe` wants it. Devices
speak one after the other within each period. `--silent` more ports accept connections and say nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import time
from datetime import UTC, datetime

from asyncua import Server, ua


async def build(port: int, devices: int, tags: int) -> tuple[Server, list[list[ua.NodeId]]]:
    """A server that runs, and the variables of each of its devices."""
    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}/")
    space = await server.register_namespace("urn:twinhub:bench")
    nodes = []
    for device in range(devices):
        folder = await server.nodes.objects.add_folder(ua.NodeId(f"{device}", space), f"{space}:{device}")
        nodes.append([ua.NodeId(f"{device}.{tag}", space) for tag in range(tags)])
        for tag, node in enumerate(nodes[-1]):
            await folder.add_variable(node, f"{space}:{tag}", 0, varianttype=ua.VariantType.UInt16)
    await server.start()
    return server, nodes


async def speak(server: Server, devices: list[list[ua.NodeId]], every: float, step_ms: int) -> None:
    """Change all tags once in each period (seconds)."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    while True:
        for nodes in devices:
            now = datetime.now(UTC)
            clock = int(time.time() * 1000) // step_ms
            for tag, node in enumerate(nodes):
                value = ua.Variant(clock + tag & 0xFFFF, ua.VariantType.UInt16)
                data = ua.DataValue(value, SourceTimestamp=now, ServerTimestamp=now)
                await server.write_attribute_value(node, data)
            due = max(due + every / len(devices), loop.time() - every)
            await asyncio.sleep(max(0.0, due - loop.time()))


async def serve(options: argparse.Namespace) -> None:
    loop = asyncio.get_running_loop()
    ports = range(options.base_port, options.base_port + options.count)
    servers = [await build(port, options.devices, options.tags) for port in ports]
    for number in range(options.silent):
        await loop.create_server(asyncio.Protocol, "127.0.0.1", options.base_port + options.count + number)
    print("ready", flush=True)
    async with asyncio.TaskGroup() as tasks:
        for server, devices in servers:
            tasks.create_task(speak(server, devices, options.every_ms / 1000, options.step_ms))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("base-port", "count", "devices", "tags", "every-ms", "step-ms"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--silent", type=int, default=0)
    logging.getLogger("asyncua").setLevel(logging.CRITICAL + 1)
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
