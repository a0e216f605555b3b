"""Settings of a node's parts, as files: containerd, its network, the kubelet, the name server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from helm.node.space import CGROUP, HOST, NODE, PODS, plugins

PAUSE, NAMES = "localhost/probav-node-pause:1", "localhost/probav-node-names:1"
SOCKET = "/run/containerd.sock"
RESOLVER = "10.96.0.10"

_CONTAINERD = """
version = 3
root = "{root}"
state = "/run/containerd"
[grpc]
address = "{socket}"
[ttrpc]
address = "{socket}.ttrpc"
[plugins.'io.containerd.cri.v1.images']
snapshotter = "overlayfs"
[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = "{pause}"
[plugins.'io.containerd.cri.v1.runtime']
disable_apparmor = true
restrict_oom_score_adj = true
[plugins.'io.containerd.cri.v1.runtime'.cni]
bin_dirs = ["{plugins}"]
conf_dir = "{folder}/cni"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
BinaryName = "{runc}"
SystemdCgroup = false
"""
_NAMES = """.:53 {
    errors
    health :8080
    ready :8181
    kubernetes cluster.local in-addr.arpa {
        pods insecure
        ttl 5
    }
    cache 5
}
"""


def containerd(folder: Path, root: Path, runc: str) -> Path:
    """Write containerd's settings, and those of the pods' network; return the file."""
    (folder / "cni").mkdir()
    network = {
        "cniVersion": "0.4.0",
        "name": "pods",
        "plugins": [
            {"type": "ptp", "ipMasq": False, "mtu": 1500, "ipam": {
                "type": "host-local", "subnet": PODS, "routes": [{"dst": "0.0.0.0/0"}],
                "dataDir": "/run/cni"}},
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }  # fmt: skip
    (folder / "cni" / "10-pods.conflist").write_text(json.dumps(network))
    file = folder / "containerd.toml"
    file.write_text(
        _CONTAINERD.format(root=root, socket=SOCKET, pause=PAUSE, plugins=plugins(), folder=folder, runc=runc)
    )
    return file


def kubelet(folder: Path, authority: Path) -> Path:
    """Write the kubelet's settings and return the file."""
    given = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": NODE,
        "authentication": {
            "anonymous": {"enabled": False}, "webhook": {"enabled": False},
            "x509": {"clientCAFile": str(authority)},
        },
        "authorization": {"mode": "AlwaysAllow"},  # who has a certificate of ours is the API server
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{CGROUP}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "clusterDNS": [RESOLVER],
        "clusterDomain": "cluster.local",
        "resolvConf": "",
        "containerRuntimeEndpoint": f"unix://{SOCKET}",
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "podPidsLimit": 2048,
        "maxPods": 60,
        "nodeStatusUpdateFrequency": "5s",
        "syncFrequency": "10s",
        "volumePluginDir": str(folder / "volume-plugins"),
        "shutdownGracePeriod": "0s",
    }  # fmt: skip
    file = folder / "kubelet.yaml"
    file.write_text(yaml.safe_dump(given))
    return file


def names() -> list[dict[str, Any]]:
    """Return the objects of the cluster's name server."""
    labels = {"k8s-app": "kube-dns"}
    meta = {"namespace": "kube-system", "name": "kube-dns"}
    pod = {
        "serviceAccountName": "kube-dns",
        "containers": [{
            "name": "names", "image": NAMES, "imagePullPolicy": "Never",
            "args": ["-conf", "/etc/names/Corefile"],
            "readinessProbe": {"httpGet": {"path": "/ready", "port": 8181}, "periodSeconds": 2},
            "volumeMounts": [{"name": "settings", "mountPath": "/etc/names"}],
        }],
        "volumes": [{"name": "settings", "configMap": {"name": "kube-dns"}}],
        "dnsPolicy": "Default",
    }  # fmt: skip
    reads = [{"apiGroups": [""], "resources": ["endpoints", "services", "pods", "namespaces"],
              "verbs": ["list", "watch"]},
             {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"],
              "verbs": ["list", "watch"]}]  # fmt: skip
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta},
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
         "metadata": {"name": "kube-dns"}, "rules": reads},
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
         "metadata": {"name": "kube-dns"},
         "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "kube-dns"},
         "subjects": [{"kind": "ServiceAccount", "name": "kube-dns", "namespace": "kube-system"}]},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"Corefile": _NAMES}},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod}}},
        {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {
            "clusterIP": RESOLVER, "selector": labels,
            "ports": [{"name": "udp", "port": 53, "protocol": "UDP"},
                      {"name": "tcp", "port": 53, "protocol": "TCP"}]}},
    ]  # fmt: skip


def kubeconfig(file: Path, url: str, authority: Path, token: str, namespace: str = "default") -> Path:
    """Write how a client finds the API server, and who it is; return the file."""
    file.write_text(yaml.safe_dump({
        "apiVersion": "v1", "kind": "Config", "current-context": "lab",
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "lab", "namespace": namespace}}],
        "clusters": [{"name": "lab", "cluster": {"server": url, "certificate-authority": str(authority)}}],
        "users": [{"name": "lab", "user": {"token": token}}],
    }))  # fmt: skip
    file.chmod(0o600)
    return file


__all__ = ["HOST", "NAMES", "PAUSE", "SOCKET", "containerd", "kubeconfig", "kubelet", "names"]
