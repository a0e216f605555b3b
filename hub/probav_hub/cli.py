"""`probav-hub up | demo | check | config`, and what a hub that is a service needs beside them."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from probav_hub import prepare
from probav_hub.check import Problem, problems
from probav_hub.configuration import load
from probav_hub.errors import EngineError, HubError
from probav_hub.parts import only_hub
from probav_hub.processes import Hub, Stopped, stoppable
from probav_hub.service import certificate, health
from probav_hub.service.cli import add
from probav_hub.service.notify import notify
from probav_hub.settings import CONFIG_FILE, Settings, data_folder

USER = "probav"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(prog="probav-hub", description="JupyterHub of probav on this machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    up_parser = commands.add_parser("up", help="start the hub; Ctrl-C stops it and everything it started")
    up_parser.add_argument(
        "--config", type=_file, help="probav-hub.yaml; its settings are in docs/operator.md"
    )
    up_parser.add_argument("--port", type=_port, help="(default: 8000, or what the file says)")
    demo_parser = commands.add_parser("demo", help="run the quickstart notebook through a hub, no browser")
    demo_parser.add_argument("--source", type=Path, help="folder of product files, for a new archive")
    demo_parser.add_argument("--notebook", default="quickstart", help="which sample (default: quickstart)")
    for each in (up_parser, demo_parser):
        each.add_argument("--notebooks", type=_folder, help="folder of sample notebooks (py:percent)")
    commands.add_parser("config", help="say what the hub is configured with, and where")
    check_parser = commands.add_parser("check", help="say what is wrong with a configuration, and the remedy")
    check_parser.add_argument("file", type=_file, help="probav-hub.yaml")
    add(commands)
    chosen = parser.parse_args(arguments)
    try:
        with stoppable():
            if chosen.command == "up":
                up(chosen.config, chosen.port, chosen.notebooks)
            elif chosen.command == "demo":
                demo(chosen.notebook, chosen.notebooks, chosen.source)
            elif chosen.command == "check":
                check(chosen.file)
            elif chosen.command == "config":
                config()
            else:
                chosen.run(chosen)
    except EngineError:
        return 1
    except HubError as error:
        print(f"probav-hub: {error}", file=sys.stderr)
        return 1
    except Stopped:
        return 0 if chosen.command == "up" else 130
    return 0


def up(file: Path | None, port: int | None, notebooks: Path | None) -> None:
    """Run the hub until it is told to stop."""
    given = load(file) if file else prepare.PERSONAL
    if port is not None:
        given = given.model_copy(update={"port": port})
    state = given.state or data_folder() / "hub"
    with only_hub(state) as ended:  # before it is asked whether the port is free
        if ended:
            print(f"Ended what a killed hub had left: {', '.join(ended)}.", flush=True)
    if file:
        refuse(file, problems(given))
    archive = given.archive or prepare.chosen_archive()
    settings = prepare.settings(
        state=state,
        port=given.port,
        archive=archive or prepare.demo_archive(),
        notebooks=notebooks or given.notebooks,
        configuration=given,
    )
    try:
        with Hub(settings) as hub:
            if not archive:  # while the hub starts
                prepare.run_engine("create-demo", settings.archive)
            hub.wait_until_ready()
            notify("READY=1")
            print(f"\nJupyterHub is ready; Ctrl-C stops it.\n\n{_way_in(settings)}", flush=True)
            try:
                hub.wait()
            except Stopped:
                print("Stopping ...", flush=True)
                raise
    except Stopped:
        kept = "users' servers go on, and the next start finds them"
        print(f"Stopped: {kept if given.keep_servers else 'nothing is left running'}.", flush=True)
        raise


def _way_in(settings: Settings) -> str:
    lines = [f"  URL       {certificate.address(settings.configuration, settings.url)}"]
    login = settings.configuration.authentication
    if login.method == "shared-password":
        lines.append(f"  User      {USER}")
        shown = f"(in {login.password_file})" if login.password_file else settings.password
        lines.append(f"  Password  {shown}")
        if login.admins and login.admin_password_file:
            lines.append(f"  Admins    {', '.join(login.admins)}; password in {login.admin_password_file}")
    return "\n".join(lines) + "\n"


def refuse(file: Path, found: list[Problem]) -> None:
    """Raise HubError with what is wrong with a configuration, if anything is."""
    if found:
        lines = "\n  ".join(map(str, found))
        raise HubError(f"{file} has {len(found)} problem{'s' if len(found) > 1 else ''}:\n  {lines}")


def check(file: Path) -> None:
    """Say what is wrong with a configuration, and the remedy of each."""
    given = load(file)
    for note in health.notes(given):
        print(f"Note: {note}")
    refuse(file, problems(given))
    print(f"{file}: nothing is wrong. `probav-hub up --config {file}` starts the hub.")


def demo(name: str, notebooks: Path | None, source: Path | None) -> None:
    """Run a sample notebook in a user's server of a throwaway hub and show its result."""
    from probav_hub.demo import run  # with nbclient, which `up` does not need

    began = time.monotonic()
    result, files = run(name, notebooks, source, user=USER, say=partial(print, flush=True))
    print(f"\n{result}\n", *files, f"Done in {time.monotonic() - began:.0f} s.", sep="\n")


def config() -> None:
    """Print where the configuration comes from and what it is made of."""
    state = data_folder() / "hub"
    rows = {
        "configuration": CONFIG_FILE,
        "state": state,
        "homes": state / "homes",
        "log": state / "hub.log",
        "settings of the last run": state / "settings.json",
        "archive": prepare.chosen_archive() or prepare.demo_archive(),
    }
    for name, value in rows.items():
        print(f"{name:25} {value}")


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a number from 1 to 65535")
    return int(text)


def _file(text: str) -> Path:
    if not Path(text).is_file():
        raise argparse.ArgumentTypeError(f"there is no file {text!r}")
    return Path(text)


def _folder(text: str) -> Path:
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {text!r}")
    return Path(text)


if __name__ == "__main__":
    sys.exit(main())
