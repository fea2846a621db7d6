"""A pod's status in one word, as `kubectl get pods` has it under STATUS (`printPod` of its printers). Pure."""

from __future__ import annotations

from collections.abc import Sequence

from edged.status import ContainerStatus, PodStatus

__all__ = ["TERMINATING", "word"]

TERMINATING = "Terminating"
"""The reason of a pod that is stopped, while it still runs."""


def word(status: PodStatus) -> str:
    """Running, Completed, CrashLoopBackOff, Init:0/1, Terminating …"""
    if status.reason == TERMINATING:
        return TERMINATING
    return _init(status.init_container_statuses) or _app(status)


def _init(several: Sequence[ContainerStatus]) -> str:
    """Of the first that is not done; empty where all are."""
    for index, one in enumerate(several):
        waiting, ended = one.state.waiting, one.state.terminated
        if ended and ended.exit_code == 0:
            continue
        if ended:
            return f"Init:{ended.reason}"
        if waiting and waiting.reason != "PodInitializing":
            return f"Init:{waiting.reason}"
        return f"Init:{index}/{len(several)}"
    return ""


def _app(status: PodStatus) -> str:
    """Of the first that waits or has ended, but for one that is done beside others that run."""
    reason: str = status.reason or status.phase
    for one in reversed(status.container_statuses):
        if what := one.state.waiting or one.state.terminated:
            reason = what.reason
    if reason == "Completed" and any(one.ready and one.state.running for one in status.container_statuses):
        return "Running" if all(one.ready for one in status.container_statuses) else "NotReady"
    return reason
