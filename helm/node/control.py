"""The control plane of a cluster: etcd, the API server and the controllers."""

from __future__ import annotations

import secrets
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from helm.node.parts import kubeconfig
from helm.node.process import Process, wait_for

SERVICES = "10.96.0.0/16"


@dataclass
class Control:
    """A control plane that runs."""

    url: str
    token: str
    authority: Path
    folder: Path

    def kubeconfig(self, file: Path, namespace: str = "default") -> Path:
        """Write how an admin reaches it, and return the file."""
        return kubeconfig(file, self.url, self.authority, self.token, namespace)


def free_port(address: str = "127.0.0.1") -> int:
    """Return a port that nobody listens on."""
    with socket.create_server((address, 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def control(
    programs: dict[str, Path],
    folder: Path,
    address: str = "127.0.0.1",
    controllers: str = "garbagecollector,serviceaccount",
    pods: str = "",
    port: int = 0,
) -> Iterator[Control]:
    """Run a control plane.

    Parameters
    ----------
    programs : dict
        `programs.CONTROL`, built.
    folder : Path
        For its data and logs.
    address : str
        Where the API server listens.
    controllers : str
        Those that run.
    pods : str, optional
        Network of a node's pods, where there is a node.
    port : int, optional
        Of the API server; a free one unless given.
    """
    etcd, peer, port = free_port(), free_port(), port or free_port(address)
    token = secrets.token_hex(16)
    (folder / "tokens.csv").write_text(f'{token},admin,admin,"system:masters"\n')
    (folder / "tokens.csv").chmod(0o600)
    key = folder / "key.pem"
    _openssl("genrsa", "-out", key, "2048")
    certificate(folder)
    store = Process(
        [programs["server"], "--data-dir", folder / "etcd", "--listen-client-urls", f"http://127.0.0.1:{etcd}",
         "--advertise-client-urls", f"http://127.0.0.1:{etcd}", "--listen-peer-urls", f"http://127.0.0.1:{peer}",
         "--initial-advertise-peer-urls", f"http://127.0.0.1:{peer}",
         "--initial-cluster", f"default=http://127.0.0.1:{peer}", "--unsafe-no-fsync"], folder / "etcd.log",
    )  # fmt: skip
    server = Process(
        [programs["kube-apiserver"], "--etcd-servers", f"http://127.0.0.1:{etcd}", "--secure-port", port,
         "--bind-address", address, "--advertise-address", address, "--cert-dir", folder / "certs",
         "--token-auth-file", folder / "tokens.csv",
         "--authorization-mode", "RBAC", "--allow-privileged", "--service-cluster-ip-range", SERVICES,
         "--service-account-issuer", "https://kubernetes.default.svc", "--service-account-key-file", key,
         "--service-account-signing-key-file", key, "--external-hostname", "localhost",
         "--kubelet-client-certificate", folder / "client.crt", "--kubelet-client-key", folder / "client.key",
         "--kubelet-preferred-address-types", "InternalIP", "--endpoint-reconciler-type", "lease"],
        folder / "server.log",
    )  # fmt: skip
    with store, server:
        made = Control(f"https://{address}:{port}", token, folder / "certs" / "apiserver.crt", folder)
        wait_for(lambda: made.authority.is_file() and _ready(made), 120, server.said)
        network = (
            ["--allocate-node-cidrs", "--cluster-cidr", pods, "--node-cidr-mask-size", 24] if pods else []
        )
        words = [
            programs["kube-controller-manager"], "--kubeconfig", made.kubeconfig(folder / "kubeconfig"),
            "--controllers", controllers, "--use-service-account-credentials=false",
            "--leader-elect=false", "--secure-port", 0, "--root-ca-file", made.authority,
            "--service-account-private-key-file", key, *network,
        ]  # fmt: skip
        with Process(words, folder / "controllers.log"):
            yield made


def _ready(of: Control) -> bool:
    headers = {"Authorization": f"Bearer {of.token}"}
    return requests.get(f"{of.url}/readyz", headers=headers, verify=str(of.authority), timeout=5).ok


def certificate(folder: Path) -> None:
    """Write an authority, and a certificate of the API server's by it, which kubelets believe."""
    authority, key = folder / "authority.crt", folder / "authority.key"
    _openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=node",
             "-keyout", key, "-out", authority)  # fmt: skip
    _openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/O=system:masters/CN=api-server",
             "-keyout", folder / "client.key", "-out", folder / "client.csr")  # fmt: skip
    _openssl("x509", "-req", "-in", folder / "client.csr", "-CA", authority, "-CAkey", key, "-CAcreateserial",
             "-days", "2", "-out", folder / "client.crt")  # fmt: skip
    for each in (key, folder / "client.key"):
        each.chmod(0o600)


def _openssl(*words: object) -> None:
    subprocess.run(["openssl", *(str(word) for word in words)], check=True, capture_output=True)
