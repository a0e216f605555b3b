import re

import pytest

from probav.errors import UnknownNameError, UnknownProductError
from probav.products import PRODUCTS, get_product

S10 = get_product("PROBAV_L3_S10_TOC_333M")


def physical(variable, dn):
    return variable.scale * dn + variable.offset


# formats.md 2.2: dtype, no-data, valid DNs, and worked DN -> value
@pytest.mark.parametrize(
    ("name", "dtype", "nodata", "valid", "values"),
    [
        ("NDVI", "uint8", 255, (0, 250), {0: -0.08, 20: 0.0, 145: 0.5, 250: 0.92}),
        ("RED", "int16", -1, (0, 32767), {0: 0.0, 500: 0.25, 2000: 1.0}),
        ("SWIR", "int16", -1, (0, 32767), {500: 0.25}),
        ("SZA", "uint8", 255, (0, 180), {90: 45.0, 180: 90.0}),
        ("SAA", "uint8", 255, (0, 240), {200: 300.0, 240: 360.0}),
        ("VNIR_VZA", "uint8", 255, (0, 180), {90: 45.0}),
        ("SWIR_VAA", "uint8", 255, (0, 240), {200: 300.0}),
        ("TIME", "uint16", 0, None, {1440: 1440.0}),
    ],
)
def test_probav_numbers(name, dtype, nodata, valid, values):
    variable = S10.variables[name]
    assert (variable.dtype, variable.nodata, variable.valid) == (dtype, nodata, valid)
    for dn, value in values.items():
        assert physical(variable, dn) == pytest.approx(value, abs=1e-12)


# formats.md 3; the flags that hold for one status map number
@pytest.mark.parametrize(
    ("sm", "names"),
    [
        (248, {"clear", "land", "good", "all_bands_good"}),
        (240, {"clear", "sea", "good", "all_bands_good"}),
        (251, {"cloud", "land", "good", "all_bands_good"}),
        (243, {"cloud", "sea", "good", "all_bands_good"}),
        (252, {"snow", "land", "good", "all_bands_good"}),
        (249, {"shadow", "land", "good", "all_bands_good"}),
        (250, {"undefined", "land", "good", "all_bands_good"}),
        (232, {"clear", "land", "good"}),  # SWIR bad: NDVI is fine
        (248 - 64, {"clear", "land"}),  # RED bad
        (248 - 32, {"clear", "land"}),  # NIR bad
        (248 - 128, {"clear", "land", "good"}),  # BLUE bad
        (0, {"clear", "sea"}),
    ],
)
def test_status_map_flags(sm, names):
    holds = {name for name, flag in S10.masks.items() if sm & flag.bits == flag.equals}
    assert holds == names


def test_copernicus_numbers():
    ndvi = get_product("CGLS_NDVI300_V1")
    assert physical(ndvi.variables["NDVI"], 0) == pytest.approx(-0.08)
    assert physical(ndvi.variables["NDVI"], 250) == pytest.approx(0.92)
    assert sorted(ndvi.variables["NDVI"].flags) == [251, 252, 253, 254, 255]
    assert ndvi.variables["NDVI"].valid == (0, 250)
    codes = {name: flag.between for name, flag in ndvi.masks.items()}
    assert codes == {"clear": (0, 250), "cloud": (252, 252), "snow": (253, 253), "sea": (254, 254)}
    fapar = get_product("CGLS_FAPAR_V2")
    assert physical(fapar.variables["FAPAR"], 235) == pytest.approx(0.94)
    assert (fapar.variables["FAPAR"].valid, fapar.variables["FAPAR"].nodata) == ((0, 235), 255)
    assert (ndvi.date_in_name, fapar.date_in_name) == ("first", "last")


def test_land_cover_classes_and_rainfall():
    cover = get_product("CGLS_LC100_V3").variables["LC"]
    assert len(cover.flags) == 23
    assert (cover.flags[40], cover.colours[40]) == ("cropland", "#f096ff")
    assert (cover.flags[111], cover.colours[111]) == ("closed evergreen needleleaf forest", "#58481f")
    assert (cover.flags[200], cover.nodata) == ("ocean", 255)
    rain = get_product("CHIRPS_V2_DEKAD").variables["RAINFALL"]
    assert (rain.dtype, rain.nodata, rain.units) == ("float32", -9999, "mm")


def test_which_products_exist():
    probav = {name for name in PRODUCTS if name.startswith("PROBAV_L3") and not name.endswith("_C2")}
    assert {name for name in probav if "_S5_" in name} == {
        "PROBAV_L3_S5_TOA_100M", "PROBAV_L3_S5_TOC_100M", "PROBAV_L3_S5_TOC_NDVI_100M"
    }  # fmt: skip
    assert {name for name in probav if "_S10_" in name} == {
        "PROBAV_L3_S10_TOC_1KM", "PROBAV_L3_S10_TOC_333M",
        "PROBAV_L3_S10_TOC_NDVI_1KM", "PROBAV_L3_S10_TOC_NDVI_333M",
    }  # fmt: skip
    assert {name for name in probav if "_NDVI_" in name} == {
        "PROBAV_L3_S1_TOC_NDVI_100M", "PROBAV_L3_S5_TOC_NDVI_100M",
        "PROBAV_L3_S10_TOC_NDVI_1KM", "PROBAV_L3_S10_TOC_NDVI_333M",
    }  # fmt: skip
    assert {"PROBAV_L3_S1_TOA_100M", "PROBAV_L3_S1_TOC_333M", "PROBAV_L3_S10_TOC_333M_C2"} <= set(PRODUCTS)


@pytest.mark.parametrize("product", PRODUCTS.values(), ids=str)
def test_every_definition_is_whole(product):
    assert product.default in product.variables
    assert all(name == variable.name for name, variable in product.variables.items())
    assert all(flag.variable in product.variables for flag in product.masks.values())
    assert product.citation
    assert product.licence
    for variable in product.variables.values():
        assert variable.valid is None or variable.nodata is None or not (
            variable.valid[0] <= variable.nodata <= variable.valid[1]
        )  # fmt: skip
        assert all(re.fullmatch("#[0-9a-f]{6}", colour) for colour in variable.colours.values())


def test_ids_are_unique_whatever_their_case():
    assert len({name.casefold() for name in PRODUCTS}) == len(PRODUCTS)
    assert all(name == product.id for name, product in PRODUCTS.items())


def test_unknown_names_get_a_hint():
    with pytest.raises(UnknownProductError, match="Did you mean 'CGLS_NDVI300_V1'"):
        get_product("CGLS_NDVI300")
    with pytest.raises(UnknownNameError, match="SWIR"):
        S10.variable("SWIRR")
    assert S10.variable(None).name == "NDVI"
    assert S10.variable("swir_vza").name == "SWIR_VZA"
