"""Pods on containerd (1.6 or newer) and CRI-O, by the Container Runtime Interface: the door that kubelet uses.

The engine is a service of the node and is not started here. It must not serve a kubelet as well, which would end what
it does not know. Networks of pods are the engine's (CNI); without one, pods with `hostNetwork` work.
"""

from edged.cri.runtime import CriRuntime

__all__ = ["CriRuntime"]
