"""The Container Runtime Interface, version 1, over gRPC: one call each, bounded in time; what goes wrong comes out in
edged's words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Protocol, Self, TypeVar

from cri_api.v1 import api_pb2 as cri
from grpc import StatusCode
from grpc.aio import AioRpcError, UsageError, insecure_channel

from edged.runtime import NoSuchThing, RuntimeRefused, RuntimeUnavailable

__all__ = ["Api"]

TIMEOUT = 60.0
"""Seconds for a call that has nothing to wait for."""
OPENING = 0.2
"""Seconds after which a stream of events is there or was refused: the engine says nothing in the beginning."""
MOST_ANSWER = 64 * 1024 * 1024
"""Bytes."""
LONGEST_RECONNECT = 1000
"""Milliseconds between attempts to reach an engine that is away."""
_OPTIONS = (
    ("grpc.max_receive_message_length", MOST_ANSWER),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", LONGEST_RECONNECT),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
)
_STARTING = "server is not initialized yet"
"""containerd's words, with no code of their own."""
_AWAY = (StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED, StatusCode.CANCELLED)


class Message(Protocol):
    """Of protobuf."""

    def SerializeToString(self) -> bytes: ...  # noqa: N802 - protobuf's name

    @classmethod
    def FromString(cls, s: bytes) -> Self: ...  # noqa: N802 - protobuf's name


Answer = TypeVar("Answer", bound=Message)


class Api:
    """A connection to the engine at `endpoint`, a gRPC address."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self._channel = insecure_channel(endpoint, options=_OPTIONS)

    async def close(self) -> None:
        await self._channel.close()

    async def call(
        self,
        request: Message,
        answer: type[Answer],
        *,
        service: str = "RuntimeService",
        refused: str = "",
        within: float = TIMEOUT,
    ) -> Answer:
        """NoSuchThing; RuntimeRefused with the reason `refused`; RuntimeUnavailable, also after `within` seconds."""
        name = type(request).__name__.removesuffix("Request")
        try:
            method = self._channel.unary_unary(f"/runtime.v1.{service}/{name}", **_codec(request, answer))
            message: Answer = await method(request, timeout=within)
        except AioRpcError as error:
            raise self._trouble(error, refused) from None
        except (UsageError, asyncio.CancelledError) as error:
            raise self._closed(error) from None
        return message

    async def events(self) -> AsyncIterator[None]:
        """Once the stream is there, and after each change of a container, until it ends. RuntimeRefused: this engine
        does not tell; RuntimeUnavailable."""
        request = cri.GetEventsRequest()
        codec = _codec(request, cri.ContainerEventResponse)
        try:
            stream = self._channel.unary_stream("/runtime.v1.RuntimeService/GetContainerEvents", **codec)(request)
            await asyncio.sleep(OPENING)
            if not stream.done():
                yield
            async for _ in stream:
                yield
        except AioRpcError as error:
            raise self._trouble(error, "") from None
        except (UsageError, asyncio.CancelledError) as error:
            raise self._closed(error) from None

    def _trouble(self, error: AioRpcError, reason: str) -> Exception:
        message = str(error.details() or error.code().name)[:1000]
        if error.code() in _AWAY or _STARTING in message:
            cause = message.rpartition("error: ")[2]
            return RuntimeUnavailable(f"the container engine at {self.endpoint} does not answer: {cause}")
        if error.code() is StatusCode.NOT_FOUND:
            return NoSuchThing(reason, message)
        return RuntimeRefused(reason, message)

    def _closed(self, error: BaseException) -> BaseException:
        """gRPC cancels calls when their connection is closed; that is not the caller's own cancellation."""
        task = asyncio.current_task()
        if isinstance(error, asyncio.CancelledError) and task and task.cancelling():
            return error
        return RuntimeUnavailable(f"the connection to the container engine at {self.endpoint} is closed")


def _codec(request: Message, answer: type[Message]) -> dict[str, Any]:
    return {"request_serializer": type(request).SerializeToString, "response_deserializer": answer.FromString}
