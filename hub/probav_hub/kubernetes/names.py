"""Names that hub and broker share: labels of pods, and where things are in them."""

from __future__ import annotations

SERVER = "probav/server"  # label of a server's pod and of its executors
PROFILE = "probav/profile"  # annotation of a server's pod
HOME, ARCHIVE, PUBLISHED, SHARED = "/home/probav", "/archive", "/published", "/shared"
UID = 1000  # of the images' user
NOTEBOOK, EXECUTOR = "notebook", "spark-kubernetes-executor"  # containers, as KubeSpawner and Spark call them
