"""A static, self-contained STAC catalogue in a folder, which any web server or object store can serve."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from probav.catalogue.validate import validate
from probav.errors import ArchiveError
from probav.extras import need

_ID = "probav-archive"
_NDJSON, _PARQUET = "application/x-ndjson", "application/vnd.apache.parquet"
_FILE = "https://stac-extensions.github.io/file/v2.1.0/schema.json"


def write(
    folder: Path,
    description: str,
    version: str,
    collections: Iterable[tuple[dict[str, Any], Iterable[dict[str, Any]]]],
) -> None:
    """Write catalog.json and, a folder a collection, collection.json, items.ndjson and items.parquet.

    A catalogue that is there is replaced as a whole.

    Parameters
    ----------
    folder : Path
    description, version : str
        Of the archive.
    collections : iterable of (collection, its items)

    Raises
    ------
    ArchiveError
        If the folder holds something else, or can't be written; nothing is changed then.
    StacError
        If a document breaks a schema.
    MissingExtraError
        If the dependencies of the extra "stac" are not installed.
    """
    need("stac_geoparquet.arrow", "stac", "Writing a catalogue")
    folder = folder.expanduser().absolute()
    if folder.exists() and not _is_ours(folder):
        raise ArchiveError(f"{folder} holds something else than a catalogue of probav; name another folder.")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            beside.chmod(0o755)
            _write(beside, description, version, collections)
            if folder.exists():
                old = beside.with_name(f"{beside.name}.old")
                os.replace(folder, old)
                os.replace(beside, folder)
                shutil.rmtree(old)
            else:
                os.replace(beside, folder)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    except OSError as error:
        if isinstance(error, ArchiveError):
            raise
        raise ArchiveError(f"Can't write a catalogue to {folder}: {error}.") from error


def _is_ours(folder: Path) -> bool:
    if folder.is_dir() and not any(folder.iterdir()):
        return True
    try:
        return bool(json.loads((folder / "catalog.json").read_text("utf-8"))["id"] == _ID)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _write(
    folder: Path,
    description: str,
    version: str,
    collections: Iterable[tuple[dict[str, Any], Iterable[dict[str, Any]]]],
) -> None:
    links = [{"rel": "root", "href": "./catalog.json", "type": "application/json"}]
    for collection, items in collections:
        _write_collection(folder / collection["id"], collection, items)
        links.append({
            "rel": "child", "href": f"./{collection['id']}/collection.json", "type": "application/json",
            "title": collection["title"],
        })  # fmt: skip
    catalogue = {
        "type": "Catalog", "stac_version": "1.1.0", "id": _ID, "title": "probav archive",
        "description": description, "probav:snapshot": version, "links": links,
    }  # fmt: skip
    validate(catalogue)
    _json(folder / "catalog.json", catalogue)


def _write_collection(folder: Path, collection: dict[str, Any], items: Iterable[dict[str, Any]]) -> None:
    folder.mkdir()
    ndjson, parquet = folder / "items.ndjson", folder / "items.parquet"
    count = 0
    with ndjson.open("w", encoding="utf-8") as lines:
        for count, item in enumerate(items, 1):
            if count == 1:  # the others differ in their numbers only
                validate(item)
            lines.write(json.dumps(item, separators=(",", ":")) + "\n")
    assets = {"items": (ndjson, _NDJSON)}
    if count:
        from stac_geoparquet.arrow import parse_stac_ndjson_to_parquet

        parse_stac_ndjson_to_parquet(ndjson, parquet)
        assets["items-geoparquet"] = (parquet, _PARQUET)
    for key, (file, media_type) in assets.items():
        collection["assets"][key] = {
            "href": f"./{file.name}", "type": media_type, "roles": ["collection-mirror"],
            "title": f"All {count} items", **_facts(file),
        }  # fmt: skip
    collection["stac_extensions"].append(_FILE)
    collection["links"] += [
        {"rel": "items", "href": f"./{file.name}", "type": media_type} for file, media_type in assets.values()
    ]
    validate(collection)
    _json(folder / "collection.json", collection)


def _facts(file: Path) -> dict[str, Any]:
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {
        "file:size": file.stat().st_size,
        "file:checksum": f"1220{digest}",
    }  # a multihash


def _json(file: Path, document: dict[str, Any]) -> None:
    file.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
