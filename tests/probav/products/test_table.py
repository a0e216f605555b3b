import re

import numpy as np
import pytest

from probav.errors import UnknownNameError, UnknownProductError
from probav.products import CADENCES, PRODUCTS, Flag, get_product

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


def test_which_copernicus_products_exist():
    versions = (
        "NDVI_V2 NDVI_V3 NDVI300_V1 NDVI300_V2 VCI_V1 VPI_V1 SWI_V3 BA300_V1 BA300_V3 LSP300_V1 LC100_V3"
    )
    expected = {f"CGLS_{name}" for name in versions.split()}
    for name in ("FAPAR", "LAI", "FCOVER", "DMP", "GDMP"):
        expected |= {f"CGLS_{name}_V2", f"CGLS_{name}300_V1"}
    assert {name for name in PRODUCTS if name.startswith("CGLS_")} == expected


# formats.md 5.2: product, variable, dtype, no-data, valid DNs, DN -> value
@pytest.mark.parametrize(
    ("product", "name", "dtype", "nodata", "valid", "values"),
    [
        ("CGLS_NDVI_V2", "NDVI", "uint8", 255, (0, 250), {0: -0.08, 250: 0.92}),
        ("CGLS_NDVI300_V2", "NDVI_unc", "int16", -1, (0, 32767), {100: 0.1}),
        ("CGLS_FAPAR300_V1", "FAPAR", "uint8", 255, (0, 235), {235: 0.94}),
        ("CGLS_LAI_V2", "LAI", "uint8", 255, (0, 210), {210: 7.0}),
        ("CGLS_FCOVER_V2", "FCOVER", "uint8", 255, (0, 250), {250: 1.0}),
        ("CGLS_DMP_V2", "DMP", "int16", -1, (0, 32767), {32767: 327.67}),
        ("CGLS_GDMP300_V1", "GDMP", "int16", -1, (0, 32767), {32767: 655.34}),
        ("CGLS_VPI_V1", "VPI", "uint8", 255, (0, 210), {0: -5.0, 210: 100.0}),
        ("CGLS_SWI_V3", "SWI_100", "uint8", 255, (0, 200), {200: 100.0}),
        ("CGLS_LC100_V3", "TREE_COVER", "uint8", 255, (0, 100), {100: 100.0}),
        ("SPOTVEGETATION_L3_S10", "NDVI", "uint8", 255, (1, 254), {25: 0.0, 250: 0.9}),
        ("SPOTVEGETATION_L3_S1", "NIR", "int16", -1, (0, 32767), {500: 0.25}),
        ("SPOTVEGETATION_L3_S1", "VAA", "uint8", 255, (0, 240), {200: 300.0}),
    ],
)
def test_numbers_of_other_products(product, name, dtype, nodata, valid, values):
    variable = get_product(product).variables[name]
    assert (variable.dtype, variable.nodata, variable.valid) == (dtype, nodata, valid)
    for dn, value in values.items():
        assert physical(variable, dn) == pytest.approx(value, abs=1e-9)


@pytest.mark.parametrize(
    ("sm", "names"),
    [
        (0b11111000, {"clear", "land", "good", "all_bands_good"}),
        (0b11111100, {"snow", "land", "good", "all_bands_good"}),
        (0b11111111, {"snow", "cloud", "land", "good", "all_bands_good"}),  # cloud over snow
        (0b11111010, {"undefined", "land", "good", "all_bands_good"}),
        (0b11101001, {"shadow", "land", "good"}),
        (0, {"clear", "sea"}),
    ],
)
def test_status_map_flags_of_spot_vegetation(sm, names):
    masks = get_product("SPOTVEGETATION_L3_S10").masks
    assert {name for name, flag in masks.items() if flag.is_set(np.array([sm], "u1"))[0]} == names


def test_one_ndvi_has_one_colour_in_every_encoding():
    probav, vgt = (get_product(f"{name}_L3_S10{rest}").variables["NDVI"].colours
                   for name, rest in (("PROBAV", "_TOC_1KM"), ("SPOTVEGETATION", "")))  # fmt: skip
    assert {round(dn - 5): colour for dn, colour in vgt.items()} == probav
    floats = get_product("PROBAV_L3_S10_TOC_1KM").variables["NDVI"].found(scale=1.0, offset=0.0)
    assert list(floats.colours) == pytest.approx([0.004 * dn - 0.08 for dn in probav])


def test_grids_of_spot_vegetation_and_soil_water():
    vgt = get_product("SPOTVEGETATION_L3_S1").grid
    assert (vgt.xs()[-1], vgt.ys()[-1]) == pytest.approx((180 - 1 / 112, -56))
    assert get_product("CGLS_SWI_V3").grid.bounds == pytest.approx((-180, -90, 180, 90))


def test_flags_by_bits_range_and_values():
    dn = np.array([0, 1, 4, 5, 250], "u1")
    assert Flag("A", "x", bits=4, equals=4).is_set(dn).tolist() == [False, False, True, True, False]
    assert Flag("A", "x", between=(1, 4)).is_set(dn).tolist() == [False, True, True, False, False]
    assert Flag("A", "x", values=(0, 250)).is_set(dn).tolist() == [True, False, False, False, True]


@pytest.mark.parametrize("product", PRODUCTS.values(), ids=lambda product: product.id)
def test_every_definition_is_whole(product):
    assert product.default in product.variables
    assert all(name == variable.name for name, variable in product.variables.items())
    assert all(flag.variable in product.variables for flag in product.masks.values())
    assert product.title
    assert product.citation
    assert product.licence
    assert product.cadence in CADENCES
    assert product.date_in_name in ("first", "last", "within")
    for variable in product.variables.values():
        limits = np.finfo(variable.dtype) if variable.dtype.startswith("f") else np.iinfo(variable.dtype)
        for number in (*(variable.valid or ()), variable.nodata, variable.blank):
            assert number is None or limits.min <= number <= limits.max
        assert variable.valid is None or variable.nodata is None or not (
            variable.valid[0] <= variable.nodata <= variable.valid[1]
        )  # fmt: skip
        assert variable.long_name
        assert variable.units
        assert all(re.fullmatch("#[0-9a-f]{6}", colour) for colour in variable.colours.values())
        if variable.kind == "continuous":
            assert len(variable.colours) >= 3
            assert all(limits.min <= dn <= limits.max for dn in variable.colours)
            assert sorted(variable.colours) == list(variable.colours)
        # what a file calls a layer is never ambiguous
        for name in (
            variable.name,
            variable.name.lower(),
            variable.name.replace("_", "-"),
            *variable.aliases,
        ):
            assert product.variable_in_file(name) is variable


def test_ids_are_unique_whatever_their_case():
    assert len({name.casefold() for name in PRODUCTS}) == len(PRODUCTS)
    assert all(name == product.id for name, product in PRODUCTS.items())


def test_unknown_names_get_a_hint():
    with pytest.raises(UnknownProductError, match=r"Did you mean .*'CGLS_NDVI300_V1'"):
        get_product("CGLS_NDVI300")
    with pytest.raises(UnknownNameError, match="SWIR"):
        S10.variable("SWIRR")
    assert S10.variable(None).name == "NDVI"
    assert S10.variable("swir_vza").name == "SWIR_VZA"
