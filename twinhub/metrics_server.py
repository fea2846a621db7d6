"""Shows metrics to Prometheus, on this machine only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.registry import Collector

from twinhub.errors import CommandError

__all__ = ["HOST", "metrics_server"]

HOST = "127.0.0.1"


@contextmanager
def metrics_server(port: int, collectors: Iterable[Collector]) -> Iterator[None]:
    """Serve what the collectors collect at `http://127.0.0.1:PORT/metrics`; nothing where the port is 0.

    They are asked in a thread of the server's own.
    """
    if port == 0:
        yield
        return
    registry = CollectorRegistry(auto_describe=False)
    for collector in collectors:
        registry.register(collector)
    try:
        server, thread = start_http_server(port, HOST, registry)
    except OSError as error:
        raise CommandError(
            f"metrics: port {port} of {HOST} cannot be used: {error.strerror};"
            " set metricsPort to another, or to 0 for none"
        ) from None
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
