"""Pods on podman, 4.0 or newer, by its REST interface over a unix socket.

A sandbox is a libpod pod with its infra container, so that people see with `podman pod ps` what twinhub runs. podman
builds the pause image for it from catatonit, on this machine: no registry is needed. Pods are made, listed and
removed as such; what is in them is stopped container by container, because libpod (4.3) says of a pod in which one
container has ended that there is nothing to stop.
"""

from edged.podman.runtime import PodmanRuntime

__all__ = ["PodmanRuntime"]
