"""What was aimed at, what was measured, and whether that is enough."""

from __future__ import annotations

from typing import Any

Row = tuple[str, str, bool | None]
Raw = dict[str, Any]


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.1f} ms" if seconds < 0.1 else f"{seconds:.2f} s"


def ratio(raw: Raw, query: str, name: str) -> tuple[float, float] | None:
    """Return a peer's CPU and wall seconds in multiples of the engine's warm ones, by the same rule."""
    peer = raw["peers"].get(query, {}).get(name)
    if peer is None or "cpu" not in peer:
        return None
    own = raw["ours"][query][peer["rule"]]["other"]
    return peer["cpu"] / own["cpu"], peer["wall"] / own["wall"]


def _least(
    raw: Raw, query: str, *, word: str = "", by_hand: bool | None = False
) -> tuple[str, float, float] | None:
    """Return the peer with the least CPU ratio among those with right numbers: name, CPU and wall ratio."""
    found = []
    for name, peer in raw["peers"].get(query, {}).items():
        ratios = ratio(raw, query, name)
        if ratios and word in name and peer["agrees"] and by_hand in (None, peer["by_hand"]):
            found.append((name, *ratios))
    return min(found, key=lambda one: one[1]) if found else None


def _times_as_fast(raw: Raw, query: str, goal: float, what: str, **which: Any) -> Row:
    text = f"{query}: >= {goal:g} x {what}"
    least = _least(raw, query, **which)
    if least is None:
        return text, "not measured", None
    name, cpu, wall = least
    return text, f"{cpu:.1f} x CPU, {wall:.1f} x wall ({name})", cpu >= goal


def _at_most(text: str, measured: float, goal: float) -> Row:
    return text, _ms(measured), measured <= goal


def goals(raw: Raw) -> list[Row]:
    """Return goal, measured, and whether it is met (None: not measured)."""
    ours, limit = raw["ours"], raw["limit"]
    warm = {query: found["fraction"]["other"] for query, found in ours.items()}
    rows = [
        _at_most("a: <= 15 ms wall, warm", warm["a"]["wall"], 0.015),
        _times_as_fast(raw, "a10", 10, "the fastest tool with classes"),
        _times_as_fast(raw, "b", 100, "rasterstats", word="rasterstats"),
        _times_as_fast(raw, "b", 40, "exactextract", word="exactextract "),
        _times_as_fast(raw, "b", 20, "the fastest tool of any kind"),
        _times_as_fast(
            raw, "b", 3, "np.bincount by hand, on the GeoTIFFs", word="rasterio + np", by_hand=True
        ),
        _times_as_fast(raw, "b", 3, "np.bincount by hand, on the same Zarr", word="Zarr + np", by_hand=True),
    ]
    through = warm["b"]["cpu"] / limit["archive"]["limit"]["cpu"]
    plain = ours["b"]["plain"]["other"]["cpu"] / limit["plain"]["limit"]["cpu"]
    rows += [
        ("b: <= 1.5 x decoding and counting alone, through Icechunk", f"{through:.2f} x CPU", through <= 1.5),
        ("b: <= 1.3 x the same on plain files", f"{plain:.2f} x CPU", plain <= 1.3),
        _at_most("b: <= 0.8 s wall", warm["b"]["wall"], 0.8),
        _at_most("c: <= 10 ms for 36 dates", warm["c"]["wall"], 0.010),
        _at_most("c: <= 50 ms for 20 years of dekads", warm["c20"]["wall"], 0.050),
        _times_as_fast(raw, "d", 40, "exactextract", word="exactextract "),
    ]
    known, unknown = raw["second"]["known"]["cpu"], raw["second"]["unknown"]["cpu"]
    alone = raw["limit"]["second"]["limit"]["cpu"]
    rows.append((
        "d: a second product over the same parcels costs only the pass (<= 1.5 x decoding and counting)",
        f"{known:.2f} CPU s; weights unknown: {unknown:.2f}; decoding and counting: {alone:.2f}",
        known <= 1.5 * alone,
    ))  # fmt: skip
    return [*rows, *_growth(raw), *_memory(raw), *_estimates(raw)]


def _growth(raw: Raw) -> list[Row]:
    lengths = raw["growth"]["length"]
    times = [seconds for _, seconds in lengths]
    rows: list[Row] = [(
        "time flat in the length of the archive (longest <= 1.2 x shortest)",
        f"{_ms(times[0])} with {lengths[0][0]} dates, {_ms(times[-1])} with {lengths[-1][0]}",
        times[-1] <= 1.2 * times[0],
    )]  # fmt: skip
    for what, title in (("area", "area"), ("dates", "dates asked for")):
        pairs = raw["growth"][what]
        (small, quick), (large, slow) = pairs[0], pairs[-1]
        rows.append((
            f"time at most linear in the {title}",
            f"{large / small:.0f} x as much takes {slow / quick:.1f} x as long",
            slow / quick <= large / small,
        ))  # fmt: skip
    return rows


def _memory(raw: Raw) -> list[Row]:
    memory = {name: found["peak"] / 2**20 for name, found in raw["memory"].items()}
    b, strip, everything = memory["b"], memory["strip"], memory["strip, all dates"]
    return [
        ("b: peak memory of the process below 1 GiB", f"{b:.0f} MiB", b < 1024),
        (
            "the same query (36 dates, one chunk row) of a 20-year archive: no more",
            f"{strip:.0f} MiB; all its dates: {everything:.0f} MiB",
            strip <= b,
        ),
    ]


def _estimates(raw: Raw) -> list[Row]:
    found = {
        query: one["fraction"]["estimate"] / one["fraction"]["other"]["wall"]
        for query, one in raw["ours"].items()
    }
    worst = max(found.values(), key=lambda value: max(value, 1 / value))
    text = ", ".join(f"{query} {value:.2f}" for query, value in found.items())
    return [
        ("estimate within a factor of 2 of the truth", f"estimated / measured: {text}", 0.5 <= worst <= 2)
    ]
