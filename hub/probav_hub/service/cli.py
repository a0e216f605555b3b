"""`probav-hub unit | reload | backup | restore | forget-password`: what an operator does with a hub."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from probav_hub.backup import restore, take
from probav_hub.configuration import Configuration, load
from probav_hub.errors import HubError
from probav_hub.service.certificate import take_up
from probav_hub.service.passwords import forget
from probav_hub.service.unit import units
from probav_hub.settings import data_folder


def add(commands: Any) -> None:
    """Add the commands to those of a parser; each sets `run`, which takes what was given."""
    unit = _command(
        commands, "unit", _unit, "print systemd units for a hub, hardened, with what each line is for"
    )
    unit.add_argument("--backup", type=Path, metavar="FOLDER", help="with a timer for backups there")
    unit.add_argument("--into", type=Path, metavar="FOLDER", help="write them, as into /etc/systemd/system")
    _command(commands, "reload", _reload, "take up a renewed certificate; servers run on")
    lost = _command(commands, "forget-password", _forget, "let a user choose another password")
    lost.add_argument("user")
    backup = _command(commands, "backup", _backup, "copy what a hub keeps, while it runs")
    backup.add_argument("folder", type=Path, help="folder of backups; each is a folder in it")
    backup.add_argument(
        "--keep", type=_count, metavar="N", help="remove all but the newest N when it is made"
    )
    backup.add_argument("--without-homes", action="store_true", help="where another tool copies the homes")
    backup.add_argument("--verify", action="store_true", help="check the newest one there, make none")
    again = _command(
        commands, "restore", _restore, "bring back what a backup holds, to a hub that is stopped"
    )
    again.add_argument("backup", type=Path, help="one backup: a folder with manifest.json")
    again.add_argument("--force", action="store_true", help="move aside what is there, and replace files")


def _command(commands: Any, name: str, run: Any, said: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=said, description=said)
    parser.add_argument("--config", type=Path, required=True, help="probav-hub.yaml")
    parser.set_defaults(run=run)
    return parser


def _unit(given: argparse.Namespace) -> None:
    made = units(given.config, load(given.config), given.backup)
    for name, text in made.items():
        if given.into is None:
            print(f"# {name}\n{text}")
            continue
        try:
            (given.into / name).write_text(text)
        except OSError as error:
            raise HubError(f"{given.into / name} can't be written: {error.strerror}.") from None
        print(given.into / name)
    print("\n# then: systemctl daemon-reload; systemctl enable --now probav-hub.service", file=sys.stderr)


def _reload(given: argparse.Namespace) -> None:
    found = load(given.config)
    take_up(found, _state(found))
    print("The proxy shows browsers the certificate that is in the file now.")


def _forget(given: argparse.Namespace) -> None:
    found = load(given.config)
    forget(found, _state(found), given.user)
    print(
        f"What is given at the next log-in as {given.user} becomes the password: tell {given.user} at once."
    )


def _backup(given: argparse.Namespace) -> None:
    found = load(given.config)
    if given.verify:
        newest = take.newest(given.folder)
        if newest is None:
            raise HubError(f"There is no backup in {given.folder}.")
        count, size = take.verify(newest)
        print(f"{newest}: {count} files, {size / 1e6:.1f} MB, all as they were written.")
        return
    made = take.backup(
        given.config, found, _state(found), given.folder, keep=given.keep, with_homes=not given.without_homes
    )
    print(made)


def _restore(given: argparse.Namespace) -> None:
    for line in restore.restore(given.backup, given.config, force=given.force):
        print(line)


def _state(given: Configuration) -> Path:
    return given.state or data_folder() / "hub"


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a number from 1")
    return int(text)
