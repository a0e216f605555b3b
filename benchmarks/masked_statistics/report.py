"""The section of docs/performance.md, from the raw results of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.masked_statistics.goals import goals, ratio

BEGIN, END = "<!-- masked statistics: begin -->", "<!-- masked statistics: end -->"
Raw = dict[str, Any]
_WHAT = """
![CPU seconds of each contender, and how the engine's time grows](performance-statistics.png)

`make bench` measures what follows. One tile of {size} x {size} pixels, {dates} dekads, NDVI and status
map, ten classes of land cover ({raw} MB of pixels: {geotiff} MB as deflated GeoTIFF, {archive} MB in the
archive, 12 dates of a second product included, {cube} MB as plain Zarr with the same chunks and codec).
Made up, but coherent in space as real data are. {made}, Python {python}, {cores} cores ({machine}; load
average at the start {load:.1f}); {versions}.
"""
_HOW = """
Each query asks for count, mean, std, min, max, p10, p50 and p90 of the clear pixels of each date. Each
contender runs in a process of its own with two threads, the disk cache warm, the start of Python and
imports not counted. Ours are later calls with areas not seen before; least of several. *Ratio* is what a
peer takes in multiples of ours by the same rule of coverage. Part of it is the layout: the peers on the
same Zarr show how much. *Scaled*: timed over one and over more dates, and carried on in a straight line;
on Zarr that leaves out reading the later chunks, in the peer's favour. xvec on query b: timed with one
and with more classes likewise.
"""
_PEERS = """
rasterstats, exactextract and xvec have no strata: they are called once a class on masked copies,
exactextract with all classes and dates of a block at once, so that it covers each polygon once.
exactextract gets real numbers, because of whole numbers it returns percentiles without their fraction.
xvec's `rasterize` fails where areas fill the raster, which is padded therefore. xarray-spatial and
regionmask know whole pixels only. Sedona and GeoTrellis are Spark engines, to be compared where Spark is;
odc-geo clips rasters but has no zonal statistics.
"""


def _plain(text: str) -> str:
    """Return a text as it stands, without the line breaks at its ends."""
    return text.strip()


def _seconds(value: float) -> str:
    if value < 1:
        return f"{value:.3f}"
    return f"{value:.2f}" if value < 10 else f"{value:,.0f}"


def _times(value: float) -> str:
    return f"{value:.1f}" if value < 10 else f"{value:,.0f}"


def _own_rows(raw: Raw, query: str) -> list[str]:
    rows = []
    ways = {
        "fraction": "probav, fraction",
        "centre": "probav, centre",
        "plain": "probav on plain files, fraction",
    }
    for way, title in ways.items():
        found = raw["ours"][query].get(way)
        if found is None or (way == "centre" and query.startswith("c")):
            continue
        other, cold, again = found["other"], found["cold"], found["again"]
        note = (
            f"median {_seconds(found['median'])}; the same area again {_seconds(again['wall'])}; "
            f"first call of a process {_seconds(cold['wall'])}; estimated {_seconds(found['estimate'])}"
        )
        rows.append(
            f"| {query} | **{title}** | {_seconds(other['cpu'])} | {_seconds(other['wall'])} | 1 | 1 "
            f"| {note} |"
        )
    return rows


def _note(peer: Raw) -> str:
    notes = [peer["rule"]]
    if peer["scaled"]:
        part = [f"{peer['dates']} of {peer['of_dates']} dates"] if peer["dates"] < peer["of_dates"] else []
        part += [f"{peer['classes']} of 10 classes"] if peer["classes"] < 10 else []
        notes.append(f"scaled from {' and '.join(part)}")
    if not peer["agrees"]:
        wrong = ", ".join(f"{name} {peer[name]:.2g}" for name in ("count", "values", "percentiles", "gaps"))
        notes.append(f"other numbers (largest differences: {wrong})")
    elif peer["percentiles"] > 1e-6:
        notes.append(f"another definition of weighted percentiles (up to {peer['percentiles']:.2g})")
    return "; ".join(notes)


def _peer_rows(raw: Raw, query: str) -> list[str]:
    rows = []
    peers = raw["peers"].get(query, {})
    for name, peer in sorted(peers.items(), key=lambda item: item[1].get("cpu", 1e9)):
        if "cpu" not in peer:
            why = (
                f"given up after {peer['given_up']:.0f} s"
                if "given_up" in peer
                else f"failed: {peer['failed']}"
            )
            rows.append(f"| {query} | {name} | | | | | {peer['rule']}; {why} |")
            continue
        found = ratio(raw, query, name)
        assert found is not None
        rows.append(
            f"| {query} | {name} | {_seconds(peer['cpu'])} | {_seconds(peer['wall'])} | {_times(found[0])} | "
            f"{_times(found[1])} | {_note(peer)} |"
        )
    return rows


def section(raw: Raw) -> str:
    """Return the text between the markers."""
    bench = raw["bench"]
    mega = {name: round(value / 1e6) for name, value in raw["sizes"].items()}
    lines = [
        BEGIN,
        _plain(_WHAT.format(
            size=bench["size"], dates=bench["dates"], cube=mega["cube.zarr"], **mega,
            **{name: raw[name] for name in ("made", "python", "cores", "machine", "load")},
            versions=", ".join(f"{name} {number}" for name, number in raw["versions"].items()),
        )),
        "",
        *(f"- {text}." for name, text in raw["titles"].items() if name != "strip"),
        "",
        _plain(_HOW),
        "",
        "| query | contender | CPU s | wall s | CPU ratio | wall ratio | |",
        "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for query in sorted(raw["ours"]):
        lines += _own_rows(raw, query) + _peer_rows(raw, query)
    lines += ["", *_limit_lines(raw), "", "| goal | measured | |", "|---|---|---|"]
    lines += [f"| {goal} | {measured} | {met} |" for goal, measured, met in goals(raw)]
    lines += ["", _plain(_PEERS), *(["", raw["note"]] if "note" in raw else []), END]
    return "\n".join(lines)


def _limit_lines(raw: Raw) -> list[str]:
    rows = ["| query b, CPU s | through Icechunk | on plain files |", "|---|---|---|"]
    archive, plain = raw["limit"]["archive"], raw["limit"]["plain"]
    own = raw["ours"]["b"]

    def row(title: str, left: float, right: float) -> str:
        return f"| {title} | {_seconds(left)} | {_seconds(right)} |"

    rows += [
        row("fetching the chunks' bytes", archive["fetch"]["cpu"], plain["fetch"]["cpu"]),
        row("fetching, decoding, counting once: the limit", archive["limit"]["cpu"], plain["limit"]["cpu"]),
        row("the whole query", own["fraction"]["other"]["cpu"], own["plain"]["other"]["cpu"]),
    ]
    return rows


def replace(page: Path, text: str) -> None:
    """Put a section between its markers, or at the end of a page that has none."""
    old = page.read_text(encoding="utf-8")
    if BEGIN in old:
        before, rest = old.split(BEGIN, 1)
        new = before + text + rest.split(END, 1)[1]
    else:
        new = f"{old.rstrip()}\n\n## Masked statistics\n\n{text}\n"
    page.write_text(new, encoding="utf-8")
