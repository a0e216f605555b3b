"""What was aimed at, what was measured, and whether that is enough."""

from __future__ import annotations

from typing import Any

Row = tuple[str, str, str]
MET, KNOWN, MISSED, UNKNOWN = "met", "met with known areas", "**missed**", ""
"""A goal may be met with areas never seen before, or only where their weights are kept from a call before."""

Raw = dict[str, Any]


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.1f} ms" if seconds < 0.1 else f"{seconds:.2f} s"


def ratio(raw: Raw, query: str, name: str, which: str = "other") -> tuple[float, float] | None:
    """Return a peer's CPU and wall seconds in multiples of the engine's warm ones, by the same rule.

    `which` are calls with "other" areas than before, or with the same "again".
    """
    peer = raw["peers"].get(query, {}).get(name)
    if peer is None or "cpu" not in peer:
        return None
    own = raw["ours"][query][peer["rule"]][which]
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
        return text, "not measured", UNKNOWN
    name, cpu, wall = least
    again = ratio(raw, query, name, "again")
    assert again is not None
    words = f"{cpu:.1f} x CPU, {wall:.1f} x wall; areas known: {again[0]:.1f} x, {again[1]:.1f} x ({name})"
    return text, words, _judged(cpu >= goal, again[0] >= goal)


def _judged(met: bool, known: bool = False) -> str:
    return MET if met else KNOWN if known else MISSED


def _at_most(text: str, warm: dict[str, dict[str, float]], goal: float) -> Row:
    other, again = warm["other"]["wall"], warm["again"]["wall"]
    words = f"{_ms(other)}; area known: {_ms(again)}"
    return text, words, _judged(other <= goal, again <= goal)


def goals(raw: Raw) -> list[Row]:
    """Return goal, measured, and whether it is met."""
    ours, limit = raw["ours"], raw["limit"]
    rows = [
        _at_most("a: <= 15 ms wall, warm", ours["a"]["fraction"], 0.015),
        _times_as_fast(raw, "a10", 10, "the fastest tool with classes"),
        _times_as_fast(raw, "b", 100, "rasterstats", word="rasterstats"),
        _times_as_fast(raw, "b", 40, "exactextract", word="exactextract "),
        _times_as_fast(raw, "b", 20, "the fastest tool of any kind"),
        _times_as_fast(
            raw, "b", 3, "np.bincount by hand, on the GeoTIFFs", word="rasterio + np", by_hand=True
        ),
        _times_as_fast(raw, "b", 3, "np.bincount by hand, on the same Zarr", word="Zarr + np", by_hand=True),
    ]
    rows += [
        _limits(
            "b: <= 1.5 x decoding and counting alone, through Icechunk", ours["b"]["fraction"], limit, 1.5
        ),
        _limits("b: <= 1.3 x the same on plain files", ours["b"]["plain"], limit, 1.3),
        _at_most("b: <= 0.8 s wall", ours["b"]["fraction"], 0.8),
        _at_most("c: <= 10 ms for 36 dates", ours["c"]["fraction"], 0.010),
        _at_most("c: <= 50 ms for 20 years of dekads", ours["c20"]["fraction"], 0.050),
        _times_as_fast(raw, "d", 40, "exactextract", word="exactextract "),
    ]
    known, unknown = raw["second"]["known"]["cpu"], raw["second"]["unknown"]["cpu"]
    alone = raw["limit"]["second"]["limit"]["cpu"]
    rows.append((
        "d: a second product over the same parcels costs only the pass (<= 1.5 x decoding and counting)",
        f"{known:.2f} CPU s; weights unknown: {unknown:.2f}; decoding and counting: {alone:.2f}",
        _judged(known <= 1.5 * alone),
    ))  # fmt: skip
    return [*rows, *_growth(raw), *_memory(raw), *_estimates(raw)]


def _limits(text: str, own: Raw, limit: Raw, goal: float) -> Row:
    """Compare with the lesser of the two limits, that of plain files."""
    least = limit["plain"]["limit"]["cpu"]
    other, again = own["other"]["cpu"] / least, own["again"]["cpu"] / least
    words = f"{other:.2f} x CPU; areas known: {again:.2f} x (both of the limit on plain files)"
    return text, words, _judged(other <= goal, again <= goal)


def _growth(raw: Raw) -> list[Row]:
    lengths = raw["growth"]["length"]
    times = [seconds for _, seconds in lengths]
    rows: list[Row] = [(
        "time flat in the length of the archive (longest <= 1.2 x shortest)",
        f"{_ms(times[0])} with {lengths[0][0]} dates, {_ms(times[-1])} with {lengths[-1][0]}",
        _judged(times[-1] <= 1.2 * times[0]),
    )]  # fmt: skip
    for what, title in (("area", "area"), ("dates", "dates asked for")):
        pairs = raw["growth"][what]
        (small, quick), (large, slow) = pairs[0], pairs[-1]
        rows.append((
            f"time at most linear in the {title}",
            f"{large / small:.0f} x as much takes {slow / quick:.1f} x as long",
            _judged(slow / quick <= large / small),
        ))  # fmt: skip
    return rows


def _memory(raw: Raw) -> list[Row]:
    memory = {name: found["peak"] / 2**20 for name, found in raw["memory"].items()}
    b, strip, everything = memory["b"], memory["strip"], memory["strip, all dates"]
    return [
        ("b: peak memory of the process below 1 GiB", f"{b:.0f} MiB", _judged(b < 1024)),
        (
            "the same query (36 dates, one chunk row) of a 20-year archive: no more",
            f"{strip:.0f} MiB; all its dates: {everything:.0f} MiB",
            _judged(strip <= b),
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
        (
            "estimate within a factor of 2 of the truth",
            f"estimated / measured: {text}",
            _judged(0.5 <= worst <= 2),
        )
    ]
