"""What Tab offers after %probav, on a line and in a cell of YAML, in a notebook and in a terminal."""

from __future__ import annotations

import pytest
from IPython.core.completer import provisionalcompleter

PRODUCT = "PROBAV_L3_S10_TOC_333M"
STATS = f"%probav stats {PRODUCT}"
LOAD = "%probav load CHIRPS_V2_DEKAD"
NESTED = f"%%probav\nstats:\n  product: {PRODUCT}\n  "

CASES = [
    ("%probav st", {"%probav stats", "%probav status"}),
    ("%%probav sta", {"%%probav stats", "%%probav status"}),
    ("x = 1\n%probav prod", {"x = 1\n%probav products"}),
    ("%probav help lo", {"%probav help load"}),
    (f"%probav stats {PRODUCT[:7].lower()}", {STATS}),
    (f"{STATS} --ma", {f"{STATS} --mask"}),
    (f"{STATS} --engine ", {f"{STATS} --engine {name}" for name in ("auto", "local", "spark", "livy")}),
    (f"{STATS} --engine=sp", {f"{STATS} --engine=spark"}),
    (f"{STATS} --coverage c", {f"{STATS} --coverage centre"}),
    (f"{STATS} --by-time mon", {f"{STATS} --by-time month", f"{STATS} --by-time month-of-year"}),
    (f"{STATS} --weights a", {f"{STATS} --weights area"}),
    (f"{STATS} --mask cl", {f"{STATS} --mask clear", f"{STATS} --mask cloud"}),
    (f'{STATS} --mask "clear & la', {f'{STATS} --mask "clear & land{rest}' for rest in ("", "cover")}),
    (f'{STATS} --mask "~clo', {f'{STATS} --mask "~cloud'}),
    (f'{STATS} --mask "clear & (nd', {f'{STATS} --mask "clear & (ndvi'}),
    (f"{STATS} --mask \"landcover == 'crop", {f"{STATS} --mask \"landcover == 'cropland'"}),
    (f"{STATS} --mask \"landcover in (20, 'crop", {f"{STATS} --mask \"landcover in (20, 'cropland'"}),
    (f"{STATS} --variable N", {f"{STATS} --variable NDVI", f"{STATS} --variable NIR"}),
    (f"{STATS} --variable NDVI,N", {f"{STATS} --variable NDVI,NIR"}),
    (f"{STATS} --reduce me", {f"{STATS} --reduce mean", f"{STATS} --reduce median"}),
    (f"{STATS} --reduce mean,p9", {f"{STATS} --reduce mean,p90", f"{STATS} --reduce mean,p95"}),
    (f"{STATS} --by landc", {f"{STATS} --by landcover"}),
    (f"{STATS} --aoi fi", {f"{STATS} --aoi field", f"{STATS} --aoi Fiji", f"{STATS} --aoi Finland"}),
    (f"{STATS} --aoi ", {f"{STATS} --aoi field"}),
    (f"{STATS} --time ", {f"{STATS} --time 2016"}),
    (f"{STATS} --time 2016-1", {f"{STATS} --time 2016-{month}" for month in (10, 11, 12)}),
    (f"{STATS} --time 2016-03/2016-05-2", {f"{STATS} --time 2016-03/2016-05-21"}),
    (f"%probav mask {PRODUCT} --map 2016-07-2", {f"%probav mask {PRODUCT} --map 2016-07-21"}),
    (f"{LOAD} --like PROBAV_L3_S10", {f"{LOAD} --like {PRODUCT}"}),
    ("%probav aoi --place belg", {"%probav aoi --place Belgium"}),
    ('%probav aoi --place "South A', {'%probav aoi --place "South Africa"'}),
    ("%probav aoi fie", {"%probav aoi field"}),
    ("%probav export t", {"%probav export ts"}),
    ("%probav snapshot la", {"%probav snapshot latest"}),
    ("%probav spark re", {"%probav spark restart"}),
    # cells of YAML
    ("%%probav stats\nprod", {"%%probav stats\nproduct: "}),
    (f"%%probav stats\nproduct: {PRODUCT}\nma", {f"%%probav stats\nproduct: {PRODUCT}\nmask: "}),
    (f"%%probav stats\nproduct: {PRODUCT[:9]}", {f"%%probav stats\nproduct: {PRODUCT}"}),
    (
        f"%%probav stats\nproduct: {PRODUCT}\nmask: clear & ~sh",
        {f"%%probav stats\nproduct: {PRODUCT}\nmask: clear & ~shadow"},
    ),
    (
        f"%%probav stats\nproduct: {PRODUCT}\nreduce: [mean, me",
        {f"%%probav stats\nproduct: {PRODUCT}\nreduce: [mean, median"},
    ),
    (
        f"%%probav stats\nproduct: {PRODUCT}\nvariable:\n  - N",
        {f"%%probav stats\nproduct: {PRODUCT}\nvariable:\n  - {name}" for name in ("NDVI", "NIR")},
    ),
    ("%%probav stats\nengine: l", {f"%%probav stats\nengine: {name}" for name in ("local", "livy")}),
    ("%%probav stats\nquiet: y", {"%%probav stats\nquiet: yes"}),
    ("%%probav stats\naoi: fie", {"%%probav stats\naoi: field"}),
    (f"%%probav stats {PRODUCT}\ntime: 20", {f"%%probav stats {PRODUCT}\ntime: 2016"}),
    ("%%probav\nsta", {"%%probav\nstats:", "%%probav\nstatus:"}),
    (f"{NESTED}ma", {f"{NESTED}mask: "}),
]  # fmt: skip


@pytest.fixture
def tab(run, shell):
    """Return what a text becomes, for each thing that Tab offers at its end."""
    run("%probav aoi field --bbox 4 50 5 51 --quiet")
    run("import xarray, probav; ts = xarray.Dataset(); firm = 3")

    def press(text: str) -> set[str]:
        with provisionalcompleter():
            found = list(shell.Completer.completions(text, len(text)))
        return {text[: one.start] + one.text for one in found if one.end == len(text)}

    return press


def test_tab_offers_what_can_stand_there(tab):
    offered = {text: tab(text) for text, _ in CASES}
    assert {text: expected - offered[text] for text, expected in CASES if expected - offered[text]} == {}


def test_what_is_said_already_or_unknown_is_not_offered(tab):
    assert f"{STATS} --mask clear --mask" not in tab(f"{STATS} --mask clear --ma")
    assert "%probav spark restart --set a=1 --set" in tab("%probav spark restart --set a=1 --se")
    assert f"{STATS} --variable NDVI,NDVI" not in tab(f"{STATS} --variable NDVI,N")
    assert "%probav nonsense --mask" not in tab("%probav nonsense --ma")
    cell = f"%%probav stats\nproduct: {PRODUCT}\n"
    assert f"{cell}product: " not in tab(f"{cell}prod")


def test_options_come_with_the_product_or_after_it(tab):
    assert {"%probav stats --mask", STATS} <= {*tab("%probav stats "), *tab("%probav stats --")}
    assert f"{STATS} --time" in tab(f"{STATS} ")
    assert f"{STATS} --aoi field --time" in tab(f"{STATS} --aoi field --")


def test_only_what_can_stand_there_is_offered(tab):
    assert tab(f"{STATS} --engine ") == {
        f"{STATS} --engine {name}" for name in ("auto", "local", "spark", "livy")
    }
    assert tab(f"{STATS} --variable NDVI,NI") == {f"{STATS} --variable NDVI,NIR"}
    names = ("help", "overwrite", "by-date", "engine", "code", "quiet")
    options = {f"%probav export --{name}" for name in names}
    assert tab("%probav export ") == {"%probav export ts"} | options


def test_files_are_offered(tab, tmp_path, monkeypatch):
    (tmp_path / "fields.geojson").touch()
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    assert tab("%probav aoi --file f") == {"%probav aoi --file fields.geojson", "%probav aoi --file folder/"}
    assert f"{STATS} --aoi {tmp_path}/fields.geojson" in tab(f"{STATS} --aoi {tmp_path}/fie")


def test_without_an_archive_tab_still_offers_options(tab, monkeypatch, tmp_path):
    monkeypatch.setenv("PROBAV_ARCHIVE", str(tmp_path / "nothing"))
    assert tab("%probav stats P") <= {"%probav stats P"}
    assert "%probav stats X --mask" in tab("%probav stats X --ma")
    assert "%probav stats X --mask clear" not in tab("%probav stats X --mask cl")


@pytest.mark.parametrize("text", ["impo", "%%writefile notes\n%probav sta", "%%bash\nprod"])
def test_other_lines_complete_as_ever(tab, text):
    assert not {one for one in tab(text) if one.endswith(("stats", "products", "status"))}


def test_a_terminal_offers_the_same(run, shell):
    """IPython's own adapter to the terminal's prompt, without a terminal."""
    from IPython.terminal.ptutils import IPythonPTCompleter
    from prompt_toolkit.completion import CompleteEvent
    from prompt_toolkit.document import Document

    completer = IPythonPTCompleter(ipy_completer=shell.Completer)

    def offered(text: str) -> set[str]:
        found = completer.get_completions(Document(text), CompleteEvent(completion_requested=True))
        return {text[: len(text) + one.start_position] + one.text for one in found}

    assert offered("%probav sta") == {"%probav stats", "%probav status"}
    assert offered(f'{STATS} --mask "clear & sh') == {f'{STATS} --mask "clear & shadow'}
    assert offered(f"{STATS} --time 2016-03/2016-1") >= {f"{STATS} --time 2016-03/2016-12"}
