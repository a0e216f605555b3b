import json

import numpy as np
import pytest
import rasterio.crs
from hypothesis import given, settings
from hypothesis import strategies as st

from probav.errors import ProbavError, SourceError
from probav.products import GRID_FROM_FILE, PRODUCTS
from probav.products.custom import DefinitionError, from_dict, load_definition, to_dict
from probav.readers.names import parse_custom

SINUSOIDAL = "+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +R=6371007.181 +units=m +no_defs"
MODIS = f"""
id: MOD13Q1
title: MODIS vegetation indices, 16 days, 250 m
cadence: sixteen-day
date_in_name: first
pattern: 'MOD13Q1\\.A(?P<date>\\d{{7}})\\.(?P<tile>h\\d\\dv\\d\\d)\\.(?P<version>\\d{{3}})\\.(?P<layer>\\w+)'
grid: {{x0: -20015051.37, y0: 10007438.9, nx: 0.0043167, ny: 0.0043167, width: 172800, height: 86400,
       crs: '{SINUSOIDAL}'}}
variables:
  NDVI:
    dtype: int16
    long_name: Normalized Difference Vegetation Index
    scale: 0.0001
    nodata: -3000
    valid: [-2000, 10000]
    colours: {{-2000: '#8c5c08', 2000: '#ffff1e', 9000: '#006400'}}
    aliases: [250m_16_days_NDVI]
  RELIABILITY:
    dtype: int8
    long_name: Pixel reliability
    nodata: -1
    kind: categorical
    flags: {{0: good, 1: marginal, 2: snow or ice, 3: cloudy}}
masks:
  good: {{variable: RELIABILITY, doc: good data, values: [0]}}
  usable: {{variable: RELIABILITY, doc: good or marginal data, between: [0, 1]}}
  odd: {{variable: RELIABILITY, doc: odd numbers, bits: 1, equals: 1}}
citation: Didan (2021), MODIS/Terra Vegetation Indices 16-Day L3 Global 250m SIN Grid V061
licence: public domain
role: greenness
"""
SMALL = """
id: RAIN
title: Rain
cadence: day
variables: {RAIN: {dtype: float32, long_name: Rain, units: mm}}
citation: nobody
licence: none
"""


@pytest.fixture
def load(tmp_path):
    def load(text):
        path = tmp_path / "product.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load_definition(path)

    return load


@pytest.mark.parametrize("product", PRODUCTS.values(), ids=lambda product: product.id)
def test_every_product_survives_json(product):
    assert from_dict(json.loads(json.dumps(to_dict(product), allow_nan=False))) == product


def test_a_foreign_product(load):
    modis = load(MODIS)
    assert from_dict(json.loads(json.dumps(to_dict(modis)))) == modis
    assert rasterio.crs.CRS.from_string(modis.grid.crs) == rasterio.crs.CRS.from_proj4(SINUSOIDAL)
    assert modis.default == "NDVI"
    assert modis.variable_in_file("250m 16 days NDVI".replace(" ", "_")).name == "NDVI"
    dn = np.array([0, 1, 2, -1], "i1")
    assert modis.masks["usable"].is_set(dn).tolist() == [True, True, False, False]
    assert modis.masks["good"].is_set(dn).tolist() == [True, False, False, False]
    name = parse_custom("MOD13Q1.A2016353.h18v04.061.NDVI.tif", modis)
    assert (name.product, str(name.date), name.tile, name.layer) == (
        "MOD13Q1",
        "2016-12-18",
        "h18v04",
        "NDVI",
    )
    other = parse_custom("MOD13Q1.A2016353.h18v04.061.RELIABILITY.tif", modis)
    assert name.granule == other.granule
    assert parse_custom("MOD13Q1.A2016353.h18v04.006.NDVI.tif", modis).rank < name.rank


def test_what_may_be_left_out(load):
    rain = load(SMALL)
    assert (rain.grid, rain.default, rain.date_in_name, rain.masks) == (GRID_FROM_FILE, "RAIN", "first", {})
    assert rain.grid.offset_of(PRODUCTS["CHIRPS_V2_DEKAD"].grid) is None
    assert to_dict(rain)["grid"] == "from file"
    assert from_dict(to_dict(rain)) == rain


@pytest.mark.parametrize(
    ("text", "change", "reason"),
    [
        (SMALL, ("float32", "unit8"), "variables.RAIN.dtype: got 'unit8'; expected .*Did you mean 'uint8'"),
        (SMALL, ("title:", "titel:"), "titel: no such key. Did you mean 'title'"),
        (SMALL, ("title: Rain\n", ""), "title is missing"),
        (SMALL, ("cadence: day", "cadence: decade"), "cadence: got 'decade'; expected one of .*'dekad'"),
        (SMALL, ("id: RAIN", "id: chirps_v2_dekad"), "probav knows already"),
        (SMALL, ("id: RAIN", "id: PROBAV_RAIN"), "looks like a product of probav's own"),
        (SMALL, ("id: RAIN", "id: RA-IN"), "id: got 'RA-IN'; expected a name of letters"),
        (SMALL, ("{RAIN: {", "{time: {"), "variables.time: .*means something else already"),
        (SMALL, ("{RAIN: {", "{and: {"), "variables.and: .*means something else already"),
        (SMALL, ("{RAIN: {", "{RAIN: {name: X, "), "variables.RAIN.name: no such key"),
        (SMALL, ("{RAIN: {dtype: float32, long_name: Rain, units: mm}}", "{}"), "one variable at least"),
        (SMALL, ("units: mm", "nodata: .nan"), "RAIN.nodata: got nan; expected a number"),
        (SMALL, ("units: mm", "scale: 0"), "RAIN.scale: got 0"),
        (SMALL, ("units: mm", "scale: true"), "RAIN.scale: got True"),
        (SMALL, ("units: mm", "kind: categorical"), "categorical numbers are whole"),
        (SMALL, ("units: mm", "valid: [1]"), "RAIN.valid: got .*expected a list of 2"),
        (SMALL, ("units: mm", "valid: [5, 1]"), "starts at 5 and ends at 1"),
        (SMALL, ("units: mm", "valid: [0, 9], nodata: 5"), "nodata: 5 is within valid"),
        (SMALL, ("float32", "uint8, nodata: -1"), "RAIN.nodata: uint8 can't hold -1"),
        (SMALL, ("float32", "uint8, valid: [0, 1.5]"), r"RAIN.valid\[1\]: uint8 can't hold 1.5"),
        (SMALL, ("units: mm", "colours: {0: blue}"), "RAIN.colours.0: got 'blue'; expected a colour"),
        (SMALL, ("units: mm", "flags: {low: x}"), "RAIN.flags.low: got 'low'; expected a stored number"),
        (SMALL, ("licence: none", "licence: none\ngrid: 5"), "grid: got 5; expected a mapping"),
        (SMALL, ("licence: none", "licence: none\npattern: 'a('"), "is no regular expression"),
        (SMALL, ("licence: none", "licence: none\npattern: 'a'"), "expected .*a group"),
        (SMALL, ("licence: none", "licence: none\nlicence: two"), "the key 'licence' is there twice"),
        (SMALL, ("licence: none", "licence: &a none\nrole: *a"), "aliases"),
        (SMALL, ("licence: none", "licence: " + "[" * 200), "nested deeper than"),
        (SMALL, ("licence: none", "licence: !!python/object/apply:os.system [ls]"), "can't be read as YAML"),
        (SMALL, ("licence: none", "licence: 2016-01-01"), "licence: got datetime.date"),
        (SMALL, ("licence: none", "licence: none\ndefault: RAINS"), "'RAINS' is no variable. Did you mean"),
        (SMALL, ("licence: none", "licence: none\nmasks: {rain: {variable: RAIN, doc: x}}"), "name of two"),
        (SMALL, ("licence: none", "licence: none\nmasks: {wet: {variable: RAIN, doc: x}}"), "give one of"),
        (SMALL, ("licence: none", "licence: none\nmasks: {a: {variable: RAIN, doc: x,bits: 1}}"), "float32"),
        (MODIS, ("equals: 1", "equals: 2"), "no bit in equals that isn't in bits"),
        (MODIS, ("variable: RELIABILITY, doc: odd", "variable: RELY, doc: odd"), "variable: 'RELY' is no"),
        (MODIS, ("nx: 0.0043167", "nx: 0"), "nx and ny are pixels per unit"),
        (MODIS, ("width: 172800", "width: 1e12"), "grid.width: got '?1e"),
        (MODIS, ("width: 172800", "width: 10000000000"), "width and height are 1 to"),
        (MODIS, (SINUSOIDAL, "EPSG:1"), "grid.crs: got 'EPSG:1'; expected a coordinate"),
        (SMALL, (SMALL, ""), "the file: got None; expected a mapping"),
        (SMALL, (SMALL, "[1, 2]"), "the file: got .*expected a mapping"),
        (SMALL, (SMALL, "a: b: c"), "can't be read as YAML"),
        (SMALL, (SMALL, "x" * 300_000), "larger than 256 KiB"),
    ],
)  # fmt: skip
def test_mistakes_name_the_key(load, text, change, reason):
    assert change[0] in text
    with pytest.raises(DefinitionError, match=reason) as error:
        load(text.replace(*change))
    assert "product.yaml" in str(error.value)


def test_no_file(tmp_path):
    with pytest.raises(DefinitionError, match="can't be read"):
        load_definition(tmp_path / "absent.yaml")
    with pytest.raises(DefinitionError, match="can't be read"):
        load_definition(tmp_path)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_any_value_at_any_key_is_taken_or_refused(data):
    """As an archive written by anybody might hold it."""
    whole = to_dict(PRODUCTS["CGLS_NDVI300_V1"])
    place = data.draw(
        st.sampled_from([whole, whole["variables"]["NDVI"], whole["masks"]["cloud"], whole["grid"]])
    )
    place[data.draw(st.sampled_from([*place, "other"]))] = data.draw(PLAIN)
    try:
        found = from_dict(whole)
    except DefinitionError:
        return
    assert from_dict(json.loads(json.dumps(to_dict(found)))) == found


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_a_product_or_an_error(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("any") / "any.yaml"
    path.write_bytes(content)
    with pytest.raises(ProbavError, match=r"any\.yaml"):
        load_definition(path)


@pytest.mark.parametrize(
    ("pattern", "cadence", "name", "day"),
    [
        (r"a_(?P<date>\d{8})", "day", "a_20160229", "2016-02-29"),
        (r"a_(?P<date>\d{4}-\d\d-\d\d)", "day", "a_2016-02-29", "2016-02-29"),
        (r"a_(?P<date>\d{7})", "eight-day", "a_2016361", "2016-12-26"),
        (r"a_(?P<date>\d{4}\.\d\d)", "month", "a_2016.02", "2016-02-01"),
        (r"a_(?P<date>\d{4})", "year", "a_2016", "2016-01-01"),
    ],
)
def test_dates_of_custom_names(pattern, cadence, name, day):
    plain = to_dict(PRODUCTS["CGLS_NDVI300_V1"]) | {"pattern": pattern, "cadence": cadence}
    assert str(parse_custom(f"/folder/{name}.tif", from_dict(plain)).date) == day


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("b_20160101.tif", "doesn't match the pattern"),
        ("a_2016366_NDVI.tif", "starts no period"),
        ("a_2015366_NDVI.tif", "2015 has no day 366"),
        ("a_2015000_NDVI.tif", "2015 has no day 000"),
        ("a_20151301_NDVI.tif", "is no date"),
        ("a_201_NDVI.tif", "is no date"),
        ("a_20150101_LAI.tif", "has no variable 'LAI'; known: NDVI"),
        ("a_20150101_NDVI_v99999.tif", "more than four digits"),
        ("a_" + "2" * 300, "doesn't match"),
    ],
)
def test_custom_names_that_say_nothing(name, reason):
    plain = to_dict(PRODUCTS["CGLS_NDVI300_V1"])
    plain["pattern"] = r"a_(?P<date>\d+)_(?P<layer>[A-Z]+)(_v(?P<version>\d+))?"
    with pytest.raises(SourceError, match=reason):
        parse_custom(name, from_dict(plain))
