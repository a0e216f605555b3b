"""Run in one user's sandbox: tries what it must not do, and prints what each attempt got, as JSON.

Its argument says where on the host other people's things are.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import stat
import subprocess
import sys

where = json.loads(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)


def call(result):
    """Return a C function's result, raise its error."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise OSError(done.stderr.strip() or f"exit code {done.returncode}")
    return done.stdout


def read(path):
    with open(path, "rb") as file:
        return file.read(200).decode(errors="replace")


def write(path):
    with open(path, "w") as file:
        return file.write("mine")


def through_link(path):
    link = os.path.expanduser(f"~/link-{os.path.basename(path)}")
    os.symlink(path, link)
    return read(link)


def connect(address, family=socket.AF_UNIX):
    with socket.socket(family) as probe:
        probe.connect(address)
        return probe.recv(100).decode()


def commands():
    found = []
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        found.append(read_all(f"/proc/{pid}/cmdline"))
    return found


def environments():
    found = []
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ") as file:
                found.append(file.read())
        except PermissionError:
            continue
    return found


def open_files():
    found = []
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2:
            try:
                found.append(os.readlink(f"/proc/self/fd/{name}"))
            except FileNotFoundError:  # the list's own
                continue
    return found


def status(name):
    lines = dict(line.split(":\t", 1) for line in read_all("/proc/self/status").splitlines() if ":\t" in line)
    return lines[name]


def read_all(path):
    with open(path) as file:
        return file.read()


def setuid_program():
    """Run a program with the set-user-ID bit, and say whom it runs as."""
    program = next(path for path in ("/usr/bin/su", "/bin/su", "/usr/bin/passwd") if os.path.exists(path))
    assert os.stat(program).st_mode & stat.S_ISUID
    before = subprocess.Popen(
        [program], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        with open(f"/proc/{before.pid}/status") as file:
            return next(line.split()[1:5] for line in file if line.startswith("Uid:"))
    finally:
        before.kill()
        before.wait()


def clone_user_namespace():
    pid = libc.syscall(56 if os.uname().machine == "x86_64" else 220, 0x10000000 | signal.SIGCHLD, 0, 0, 0, 0)
    if pid == 0:
        os._exit(0)
    return call(pid)


ATTEMPTS = {
    "homes": lambda: os.listdir("/home"),
    "other home": lambda: os.listdir(where["other_home"]),
    "other file": lambda: read(f"{where['other_home']}/secret.txt"),
    "other file through a link": lambda: through_link(f"{where['other_home']}/secret.txt"),
    "through the first process": lambda: os.listdir("/proc/1/root"),
    "working folder of the first": lambda: os.listdir("/proc/1/cwd"),
    "hub's secret": lambda: read(where["secret"]),
    "hub's secret through a link": lambda: through_link(where["secret"]),
    "hub's folder": lambda: os.listdir(where["state"]) if os.path.exists(where["state"]) else [],
    "shadow": lambda: read("/etc/shadow"),
    "processes": commands,
    "environments": environments,
    "kill other": lambda: os.kill(where["other_pid"], signal.SIGKILL),
    "kill keeper": lambda: os.kill(where["keeper"], signal.SIGKILL),
    "kill first": lambda: os.kill(1, signal.SIGKILL),
    "trace first": lambda: call(libc.ptrace(16, 1, None, None)),
    "become root": lambda: os.setuid(0),
    "become other": lambda: os.setuid(where["other_uid"]),
    "become group": lambda: os.setgroups([0]),
    "privileges": lambda: [status(name).strip("0\t ") for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb")],
    "no new privileges": lambda: status("NoNewPrivs").strip(),
    "set-user-ID program": setuid_program,
    "mount": lambda: call(libc.mount(b"tmpfs", b"/tmp", b"tmpfs", 0, None)),
    "remount": lambda: call(libc.mount(b"none", b"/usr", None, 32 | 4096, None)),
    "user namespace": lambda: call(libc.unshare(0x10000000)),
    "user namespace by clone": clone_user_namespace,
    "user namespace by a program": lambda: run("unshare", "--user", "--map-root-user", "id"),
    "keys": lambda: call(libc.syscall(250 if os.uname().machine == "x86_64" else 219, 0, -3, 0)),
    "kernel's log": lambda: call(libc.klogctl(10, None, 0)),
    "bpf": lambda: call(libc.syscall(321 if os.uname().machine == "x86_64" else 280, 0, 0, 0)),
    "device": lambda: os.mknod("/tmp/disk", 0o600 | stat.S_IFBLK, os.makedev(8, 0)),
    "host's disks": lambda: [
        name for name in os.listdir("/dev") if name.startswith(("vd", "sd", "loop", "mem"))
    ],
    "write into the environment": lambda: write(f"{sys.prefix}/mine"),
    "write beside the environment": lambda: write("/mine"),
    "write into a package": lambda: write(f"{os.path.dirname(os.__file__)}/mine.py"),
    "write into /usr": lambda: write("/usr/bin/mine"),
    "write into /etc": lambda: write("/etc/passwd"),
    "write into the kernel": lambda: write("/proc/sys/kernel/hostname"),
    "more memory": lambda: os.listdir("/sys/fs/cgroup"),
    "shared memory": lambda: os.listdir("/dev/shm"),
    "temporary files": lambda: os.listdir("/tmp"),
    "abstract socket": lambda: connect(f"\0{where['socket']}"),
    "files of the hub left open": open_files,
    "output is a pipe": lambda: os.readlink("/proc/self/fd/1").partition(":")[0],
    "terminal": lambda: open("/dev/tty").close(),
}

if __name__ == "__main__":
    got = {}
    for name, attempt in ATTEMPTS.items():
        try:
            got[name] = {"got": attempt()}
        except OSError as error:
            got[name] = {"refused": str(error)}
    print("RESULT", json.dumps(got), flush=True)
