"""Join tokens: KubeEdge's form, and in addition good for one node, once, and for a short time.

A token is a JWT that the CA's key signs, so making one writes nothing. Spending one does: the store keeps the spent
ones until they expire, and its version check lets one process of the cloud spend a token, however many there are.

The answer to an enrolment may be lost on its way. So the same node may show the same token again, within its
lifetime, with the *same public key*: the certificate made then is of no use to anyone without that node's key.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import NamedTuple

import jwt
import msgspec
from jwt.types import Options

from cloud_sync.authority import Authority
from link.enrolment import JoinToken
from link.handshake import valid_node
from link.limits import TOKEN_CHARACTERS
from twin.store import Conflict, Store

__all__ = ["TOKEN_LIFETIME", "Claims", "TokenRefused", "Tokens"]

TOKEN_LIFETIME = 3_600.0
"""Seconds for which a token is good unless said otherwise."""
NODE_NAMES = "lower-case letters, digits, dashes and dots, with a letter or a digit at both ends"
_SPENT = "Token/"
_SWEEP = 60.0
"""Seconds between looks for spent tokens that have expired."""
_ONLY_THE_SIGNATURE: Options = {"verify_exp": False, "verify_iat": False, "verify_nbf": False}
"""Times are judged here, by the clock that was given."""


class TokenRefused(Exception):
    """The token does not let this node in; the text, without the token, says why."""


class Claims(NamedTuple):
    """What a token says whose signature is right and whose time is not over."""

    expires: float
    """Unix seconds."""
    node: str = ""
    """For whom it is; empty = one of KubeEdge's, for everyone."""
    id: str = ""
    issued_at: float = 0.0


class Tokens:
    """Makes, checks and spends them."""

    def __init__(
        self,
        store: Store,
        authority: Authority,
        *,
        allow_unbound: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`allow_unbound`: also KubeEdge's tokens, with which anyone may join as any node until they expire."""
        self._store, self._authority, self._clock = store, authority, clock
        self._allow_unbound = allow_unbound
        self._swept = 0.0

    async def issue(self, node: str | None, lifetime: float = TOKEN_LIFETIME) -> str:
        """The text of a new token for this node, good for `lifetime` seconds; None = for everyone, as KubeEdge's.
        Raises `ValueError` for what is no node's name, and for None where such tokens are not allowed."""
        now = self._clock()
        said: dict[str, object] = {"exp": int(now + lifetime)}
        if node is not None:
            if not valid_node(node):
                raise ValueError(f"{node[:80]!r} cannot be a node's name: {NODE_NAMES}")
            said |= {"node": node, "jti": secrets.token_hex(16), "iat": now}
        elif not self._allow_unbound:
            raise ValueError("a token must name its node, unless the cloud's settings allow others")
        return str(JoinToken(self._authority.ca_hash, jwt.encode(said, self._authority.token_key, "HS256")))

    def check(self, token: str, node: str) -> Claims:
        """What the token (the JWT alone) says, if it may be used for this node (empty = for the one it names) now.
        Raises `TokenRefused`."""
        claims = self._read(token)
        if claims.expires <= self._clock():
            raise TokenRefused("err: token has invalid claims: token is expired")
        if not claims.node and not self._allow_unbound:
            raise TokenRefused("err: tokens that name no node are not allowed here")
        if claims.node and node and claims.node != node:
            raise TokenRefused("err: the token is for another node")
        return claims

    async def spend(self, claims: Claims, key: str, address: str) -> None:
        """Use the token up, for the public key of this fingerprint at this address. It is durable when this returns.
        Raises `TokenRefused` when it was used up with another key, `StoreError` when the store fails."""
        if not claims.node:
            return
        await self._sweep()
        used = {"node": claims.node, "key": key, "address": address, "expires": claims.expires}
        try:
            await self._store.put(_SPENT + claims.id, used, version=0)
        except Conflict:
            earlier = await self._store.get(_SPENT + claims.id)
            if earlier is None or earlier.value.get("key") != key:
                raise TokenRefused("err: the token has been used already; ask for a new one") from None

    def _read(self, token: str) -> Claims:
        if len(token) > TOKEN_CHARACTERS:
            raise TokenRefused(f"err: token is malformed: it has more than {TOKEN_CHARACTERS:,} characters")
        try:
            said = jwt.decode(token, self._authority.token_key, algorithms=["HS256"], options=_ONLY_THE_SIGNATURE)
            return msgspec.convert(said, _Said).claims()
        except jwt.InvalidSignatureError:
            raise TokenRefused("err: token signature is invalid: signature is invalid") from None
        except (jwt.PyJWTError, ValueError, RecursionError):
            parts = token.count(".") + 1
            why = "token contains an invalid number of segments" if parts != 3 else "could not be read"
            raise TokenRefused(f"err: token is malformed: {why}") from None

    async def _sweep(self) -> None:
        """Forget the spent tokens that have expired: their expiry alone refuses them now."""
        now = self._clock()
        if now < self._swept + _SWEEP:
            return
        self._swept = now
        for entry in await self._store.list(_SPENT):
            if float(entry.value.get("expires", 0)) <= now:
                await self._store.delete(entry.key)


class _Said(msgspec.Struct):
    """The payload of a token."""

    exp: float
    node: str = ""
    jti: str = ""
    iat: float = 0.0

    def claims(self) -> Claims:
        if bool(self.node) != bool(self.jti):
            raise ValueError("a node without an id, or an id without a node")
        return Claims(self.exp, self.node, self.jti, self.iat)
