"""`probav archive history|tag|untag|tags|diff|expire|collect`: versions of an archive."""

from __future__ import annotations

import argparse
from typing import Any

import probav
from probav import storage, versions
from probav.cli.terminal import add_archive, command, show


def add(actions: Any) -> None:
    """Declare the commands."""
    history = command(actions, "history", _history, "list the snapshots, newest first")
    history.add_argument("--limit", type=int, default=20, metavar="N", help="how many (default: 20)")
    tag = command(actions, "tag", _tag, "give a snapshot a name that stays")
    tag.add_argument("name", metavar="NAME")
    tag.add_argument("--snapshot", metavar="ID", help="its id, or how it begins (default: the newest)")
    untag = command(actions, "untag", _untag, "take a tag away for ever; its snapshot may then expire")
    untag.add_argument("name", metavar="NAME")
    tags = command(actions, "tags", _tags, "list the tags")
    diff = command(actions, "diff", _diff, "list what changed since a snapshot")
    diff.add_argument("since", metavar="SINCE", help="tag or snapshot")
    diff.add_argument("--snapshot", metavar="ID", help="up to which one (default: the newest)")
    expire = command(actions, "expire", _expire, "forget old snapshots that no tag names")
    expire.add_argument("older_than", metavar="OLDER_THAN", help="'90 days', or a date")
    expire.add_argument(
        "--keep", type=int, default=1, metavar="N", help="the newest N stay in any case (default: 1)"
    )
    collect = command(actions, "collect", _collect, "throw away files that no snapshot needs")
    collect.add_argument(
        "--grace", default="1 day", metavar="AGE", help="nothing younger is thrown away (default: 1 day)"
    )
    for own in (expire, collect):
        own.add_argument("--yes", action="store_true", help="do it; otherwise only tell what would go")
    for own in (history, tag, untag, tags, diff, expire, collect):
        add_archive(own)


def _history(parsed: argparse.Namespace) -> None:
    table = versions.history(probav.open_archive(parsed.archive).store, parsed.limit)
    show(table.assign(time=table["time"].dt.strftime("%Y-%m-%d %H:%M:%S")).set_index("snapshot"))


def _tag(parsed: argparse.Namespace) -> None:
    archive = probav.open_archive(parsed.archive, snapshot=parsed.snapshot)
    archive.tag(parsed.name)
    print(f"{parsed.name} is snapshot {archive.snapshot}")


def _untag(parsed: argparse.Namespace) -> None:
    probav.open_archive(parsed.archive).untag(parsed.name)


def _tags(parsed: argparse.Namespace) -> None:
    show(probav.open_archive(parsed.archive).tags.set_index("tag"))


def _diff(parsed: argparse.Namespace) -> None:
    show(probav.open_archive(parsed.archive, snapshot=parsed.snapshot).diff(parsed.since))


def _expire(parsed: argparse.Namespace) -> None:
    url = parsed.archive or storage.default_url()
    going = versions.expire(url, parsed.older_than, keep=parsed.keep, yes=parsed.yes)
    show(going[["snapshot", "time", "message"]].set_index("snapshot"))
    if len(going):
        print("Forgotten; `probav archive collect` frees what they held" if parsed.yes else _NOTHING_YET)


def _collect(parsed: argparse.Namespace) -> None:
    url = parsed.archive or storage.default_url()
    found = versions.collect(url, grace=parsed.grace, yes=parsed.yes)
    print(f"{'Thrown away' if parsed.yes else 'To throw away'}: {found}")
    if found.bytes and not parsed.yes:
        print(_NOTHING_YET)


_NOTHING_YET = "Nothing is gone yet; --yes does it"
