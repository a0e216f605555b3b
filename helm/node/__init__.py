"""A Kubernetes node on this machine, for tests of the chart: `python -m helm.node` keeps one until Ctrl-C.

Its kubelet, containerd, proxy and network policies run in namespaces of their own (processes, mounts,
network): nothing of it stays behind, whatever ends it, but images in the user's cache.
"""

from helm.node.cluster import Cluster, cluster
from helm.node.programs import Unavailable

__all__ = ["Cluster", "Unavailable", "cluster"]
