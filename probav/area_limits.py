"""What an area of interest may take: vertices, unpacked bytes, and no tricks of XML."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import shapely

from probav.errors import AoiError

MAX_VERTICES = 10_000_000
MAX_UNPACKED = 2_000_000_000  # bytes of all members of a zip archive
MAX_XML = 500_000_000  # bytes of a KML or GML file: GDAL holds the whole
MAX_MEMBERS = 10_000
_XML = {".kml", ".gml", ".xml", ".xsd", ".gfs", ".vrt"}
# entities can expand without end or name other files, and a virtual data source names any other
_TRICK = re.compile(rb"<!ENTITY|<!DOCTYPE|<OGRVRT[A-Za-z]*", re.IGNORECASE)
_BLOCK = 1 << 20


class Vertices:
    """Count of vertices that stops at $PROBAV_MAX_VERTICES."""

    def __init__(self) -> None:
        self.count = 0
        self.limit = max_vertices()

    def add(self, shapes: Any) -> None:
        """Count the vertices of shapes.

        Raises
        ------
        AoiError
            If there are more than allowed by now.
        """
        self.count += int(shapely.get_num_coordinates(shapes).sum())
        self.expect(0)

    def expect(self, more: int) -> None:
        """Raise AoiError if at least `more` vertices to come would be too many."""
        if self.count + more > self.limit:
            raise AoiError(
                f"It has more than {self.limit:,} vertices, the limit ({self.count + more:,} so far). Raise "
                "it (PROBAV_MAX_VERTICES in the environment) and make the area lighter at once with "
                "aoi.simplify(metres), or simplify the file first (ogr2ogr -simplify)."
            )


def max_vertices() -> int:
    """Return $PROBAV_MAX_VERTICES, else 10,000,000.

    Raises
    ------
    AoiError
        If it is no whole number above 0.
    """
    given = os.environ.get("PROBAV_MAX_VERTICES", "").replace("_", "").replace(",", "").strip()
    if not given:
        return MAX_VERTICES
    if not given.isdecimal() or not int(given):
        raise AoiError(f"PROBAV_MAX_VERTICES is {given!r}; expected a whole number above 0, as 10000000.")
    return int(given)


def unpacked_size(path: Path) -> int:
    """Return the bytes that a file has when unpacked, after a look at what it holds.

    Raises
    ------
    AoiError
        If it is no regular file, unpacks to more than allowed, or its XML declares entities or names other
        sources.
    """
    if path.is_dir():  # GDAL takes a folder of shapefiles or KML
        return sum(unpacked_size(member) for member in path.iterdir() if not member.is_dir())
    if not path.is_file():
        raise AoiError("It is no regular file.")
    if not zipfile.is_zipfile(path):
        if path.suffix.lower() in _XML:
            _check_xml(path.name, path.stat().st_size, path.open("rb"))
        return path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        total = sum(member.file_size for member in members)
        if total > MAX_UNPACKED or len(members) > MAX_MEMBERS:
            raise AoiError(
                f"Its {len(members):,} members unpack to {total / 1e6:,.0f} MB; up to {MAX_MEMBERS:,} and "
                f"{MAX_UNPACKED / 1e6:,.0f} MB are read. Unpack it and give the file inside."
            )
        for member in members:
            if Path(member.filename).suffix.lower() in _XML:
                _check_xml(member.filename, member.file_size, archive.open(member))
    return total


def _check_xml(name: str, size: int, stream: IO[bytes]) -> None:
    with stream:
        if size > MAX_XML:
            raise AoiError(
                f"{name} has {size / 1e6:,.0f} MB; XML is read up to {MAX_XML / 1e6:,.0f} MB. Convert it to "
                "a GeoPackage (ogr2ogr area.gpkg area.kml)."
            )
        for block in _blocks(stream):
            found = _TRICK.search(block)
            if found:
                raise AoiError(
                    f"{name} has a {found[0].decode()}, which no map data needs and which can unfold without "
                    "end or name other files; take it out."
                )


def _blocks(stream: IO[bytes]) -> Iterable[bytes]:
    """Blocks that overlap, without the zeros that UTF-16 puts between letters."""
    tail = b""
    while block := stream.read(_BLOCK):
        block = block.replace(b"\0", b"")
        yield tail + block
        tail = block[-16:]
