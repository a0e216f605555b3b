from calendar import monthrange
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probav.errors import SourceError
from probav.products import PRODUCTS
from probav.readers import ProductName, parse_name

# name, product, first day of the period, tile, layer; - for none
OFFICIAL = """
PROBAV_S10_TOC_X18Y02_20160101_333M_V101.HDF5              PROBAV_L3_S10_TOC_333M      2016-01-01 X18Y02 -
PROBAV_S1_TOA_X07Y05_20190209_100M_V101.hdf5               PROBAV_L3_S1_TOA_100M       2019-02-09 X07Y05 -
PROBAV_S1_TOC_X18Y02_20160101_333M_V101_RADIOMETRY.tif     PROBAV_L3_S1_TOC_333M       2016-01-01 X18Y02 RADIOMETRY
PROBAV_S1_TOC_X18Y02_20160101_333M_V101_SM.tif             PROBAV_L3_S1_TOC_333M       2016-01-01 X18Y02 SM
PROBAV_S10_TOC_X20Y10_20180311_333M_NDVI_V101_NDVI.tif     PROBAV_L3_S10_TOC_NDVI_333M 2018-03-11 X20Y10 NDVI
PROBAV_S5_TOC_X20Y10_20180326_100M_NDVI_V101.HDF5          PROBAV_L3_S5_TOC_NDVI_100M  2018-03-26 X20Y10 NDVI
PROBAV_S10_TOC_X35Y12_20190801_333M_RED_V201.TIFF          PROBAV_L3_S10_TOC_333M_C2   2019-08-01 X35Y12 RED
PROBAV_S10_TOC_X35Y12_20190801_333M_NDVI_V201.TIFF         PROBAV_L3_S10_TOC_333M_C2   2019-08-01 X35Y12 NDVI
PROBAV_S10_TOC_X35Y12_20190801_333M_GEOMETRY_V201.TIFF     PROBAV_L3_S10_TOC_333M_C2   2019-08-01 X35Y12 GEOMETRY
PROBAV_S1_TOC_20150801_100M_V001.tif                       PROBAV_L3_S1_TOC_100M       2015-08-01 - -
PROBAV_S10_TOC_20160101_333M_V101                          PROBAV_L3_S10_TOC_333M      2016-01-01 - -
c_gls_NDVI300_201501010000_GLOBE_PROBAV_V1.0.1.nc          CGLS_NDVI300_V1             2015-01-01 - -
c_gls_FAPAR_200502280000_GLOBE_VGT_V2.0.1.nc               CGLS_FAPAR_V2               2005-02-21 - -
c_gls_FAPAR-RT6_201506300000_GLOBE_PROBAV_V2.0.2.nc        CGLS_FAPAR_V2               2015-06-21 - -
c_gls_FAPAR-RT6_201506100000_AFRI_PROBAV_V2.0.2.nc         CGLS_FAPAR_V2               2015-06-01 - -
c_gls_FAPAR-RT0-FAPAR_202001310000_CUSTOM_PROBAV_V2.0.2.tiff CGLS_FAPAR_V2             2020-01-21 - FAPAR
c_gls_FAPAR300-RT0-FAPAR_202010310000_CUSTOM_OLCI_V1.1.1.tiff CGLS_FAPAR300_V1         2020-10-21 - FAPAR
c_gls_NDVI_199904210000_GLOBE_VGT_V2.2.1.nc                CGLS_NDVI_V2                1999-04-21 - -
c_gls_NDVI_202001110000_GLOBE_PROBAV_V2.2.1.nc             CGLS_NDVI_V2                2020-01-11 - -
c_gls_NDVI300_202103210000_GLOBE_OLCI_V2.0.1.nc            CGLS_NDVI300_V2             2021-03-21 - -
c_gls_NDVI_202001010000_SOAM_PROBAV_V3.0.1.nc              CGLS_NDVI_V3                2020-01-01 - -
c_gls_GDMP300-RT5_202003100000_GLOBE_PROBAV_V1.0.1.nc      CGLS_GDMP300_V1             2020-03-01 - -
c_gls_DMP-RT6_202003200000_GLOBE_PROBAV_V2.0.1.nc          CGLS_DMP_V2                 2020-03-11 - -
c_gls_LAI300-RT5-LENGTH-BEFORE_201502280000_CUSTOM_PROBAV_V1.0.1.tiff CGLS_LAI300_V1    2015-02-21 - LENGTH_BEFORE
c_gls_FCOVER-RT6-QFLAG_202001310000_CUSTOM_PROBAV_V2.0.2.tiff CGLS_FCOVER_V2            2020-01-21 - QFLAG
g2_BIOPAR_VPI_201306010000_AFRI_VGT_V1.3.zip               CGLS_VPI_V1                 2013-06-01 - -
g2_BIOPAR_VCI_201306110000_SOAM_VGT_V1.3.1.zip             CGLS_VCI_V1                 2013-06-11 - -
c_gls_VCI_201501010000_GLOBE_PROBAV_V1.0.1.nc              CGLS_VCI_V1                 2015-01-01 - -
c_gls_SWI_201501021200_GLOBE_ASCAT_V3.1.1.nc               CGLS_SWI_V3                 2015-01-02 - -
g2_BIOPAR_SWI_200707010000_GLOBE_ASCAT_V3_0_1.nc           CGLS_SWI_V3                 2007-07-01 - -
c_gls_SWI-SWI040_201501021200_CUSTOM_ASCAT_V3.1.1.tiff     CGLS_SWI_V3                 2015-01-02 - SWI_040
c_gls_SWI_QFLAG040_201501021200_CUSTOM_ASCAT_V3.1.1.tiff   CGLS_SWI_V3                 2015-01-02 - QFLAG_040
c_gls_BA300_201812200000_GLOBE_PROBAV_V1.1.1.nc            CGLS_BA300_V1               2018-12-11 - -
c_gls_BA300_202109300000_GLOBE_PROBAV_V1.1.1.nc            CGLS_BA300_V1               2021-09-21 - -
c_gls_BA300_202008010000_GLOBE_S3_V3.0.1.nc                CGLS_BA300_V3               2020-08-01 - -
c_gls_BA300-NRT_202301010000_GLOBE_S3_V3.1.1.nc            CGLS_BA300_V3               2023-01-01 - -
c_gls_LSP300_201607010000_GLOBE_PROBAV_V1.0.1.nc           CGLS_LSP300_V1              2016-01-01 - -
PV_S10_TOC_NDVI_20190211_1KM_V101                          PROBAV_L3_S10_TOC_NDVI_1KM  2019-02-11 - NDVI
PROBAV_S10_TOC_X18Y02_20190211_1KM_NDVI_V201.HDF5          PROBAV_L3_S10_TOC_NDVI_1KM_C2 2019-02-11 X18Y02 NDVI
V2KRNS10__20060721E                                        SPOTVEGETATION_L3_S10       2006-07-21 - -
V1KRNS1__19980401E.zip                                     SPOTVEGETATION_L3_S1        1998-04-01 - -
V2KRNS10__20130701_NDVI__Africa.ZIP                        SPOTVEGETATION_L3_S10       2013-07-01 - NDVI
V2KRNS10__20060721E_B0.HDF                                 SPOTVEGETATION_L3_S10       2006-07-21 - BLUE
NDV_20050511_AFRICA_Extract.tif                            SPOTVEGETATION_L3_S10       2005-05-11 - NDVI
PROBAV_LC100_global_v3.0.1_2019-nrt_Tree-CoverFraction-layer_EPSG-4326.tif CGLS_LC100_V3 2019-01-01 - TREE_COVER
PROBAV_LC100_global_v3.0.1_2015-base_Forest-Type-layer_EPSG-4326.tif CGLS_LC100_V3 2015-01-01 - FOREST_TYPE
PROBAV_LC100_global_v3.0.1_2018-conso_Change-Confidence-layer_EPSG-4326.tif CGLS_LC100_V3 2018-01-01 - CHANGE_CONFIDENCE
PROBAV_LC100_global_v3.0.1_2019-nrt_Discrete-Classification-map_EPSG-4326.tif CGLS_LC100_V3 2019-01-01 - LC
W080N20_PROBAV_LC100_global_v3.0.1_2016-conso_Discrete-Classification-map_EPSG-4326.tif CGLS_LC100_V3 2016-01-01 W080N20 LC
chirps-v2.0.2015.02.3.tif.gz                               CHIRPS_V2_DEKAD             2015-02-21 - RAINFALL
chirps-v2.0.2015.12.1.tif                                  CHIRPS_V2_DEKAD             2015-12-01 - RAINFALL
"""  # noqa: E501


@pytest.mark.parametrize("line", OFFICIAL.split("\n")[1:-1])
def test_official_names(line):
    name, product, day, tile, layer = (None if word == "-" else word for word in line.split())
    found = parse_name(f"/some/folder/{name}")
    assert (found.product, found.date, found.tile, found.layer) == (
        product,
        np.datetime64(day),
        tile or "",
        layer,
    )


# paths as the platform and the deliveries have them; what the folders say counts where the file is silent
@pytest.mark.parametrize(
    ("path", "product", "day", "layer", "granule"),
    [
        ("TIFFDERIVED/PROBAV_L3_S1_TOC_333M/2016/20160101/PROBAV_S1_TOC_20160101_333M_V101/"
         "PROBAV_S1_TOC_X18Y02_20160101_333M_V101_NDVI.tif",
         "PROBAV_L3_S1_TOC_333M", "2016-01-01", "NDVI", "PROBAV_S1_TOC_X18Y02_20160101_333M_V101"),
        ("PROBAV_L3_S1_TOC_333M/20160101/PROBAV_S1_TOC_20160101_333M_V001/"
         "PROBAV_S1_TOC_X18Y02_20160101_333M_V001_SM.tif",
         "PROBAV_L3_S1_TOC_333M", "2016-01-01", "SM", "PROBAV_S1_TOC_X18Y02_20160101_333M_V001"),
        ("PROBAV_C2/COG/PROBAV_L3_S10_TOC_333M/2019/20190801/PROBAV_S10_TOC_X35Y12_20190801_333M_SM_V201.TIFF",
         "PROBAV_L3_S10_TOC_333M_C2", "2019-08-01", "SM", "PROBAV_S10_TOC_X35Y12_20190801_333M_V201"),
        ("PV_S10_TOC_NDVI_20190211_1KM_V101/PROBAV_S10_TOC_X18Y02_20190211_1KM_NDVI_V101.HDF5",
         "PROBAV_L3_S10_TOC_NDVI_1KM", "2019-02-11", "NDVI", "PROBAV_S10_TOC_X18Y02_20190211_1KM_NDVI_V101"),
        ("BIOPAR/BioPar_FAPAR_V2_Global/2005/20050228/c_gls_FAPAR_200502280000_GLOBE_VGT_V2.0.1/"
         "c_gls_FAPAR_200502280000_GLOBE_VGT_V2.0.1.nc",
         "CGLS_FAPAR_V2", "2005-02-21", None, "c_gls_FAPAR_200502280000_GLOBE_VGT_V2.0.1"),
        ("dry_matter_productivity/gdmp_300m_v1_10daily/2020/20200310/"
         "c_gls_GDMP300-RT5_202003100000_GLOBE_PROBAV_V1.0.1.nc",
         "CGLS_GDMP300_V1", "2020-03-01", None, "c_gls_GDMP300-RT5_202003100000_GLOBE_PROBAV_V1.0.1"),
        ("V2KRNS10__20060721E/0001/0001_B0.HDF",
         "SPOTVEGETATION_L3_S10", "2006-07-21", "BLUE", "V2KRNS10__20060721E_V000"),
        ("V2KRNS10__20060721E/0001/0001_MIR.HDF",
         "SPOTVEGETATION_L3_S10", "2006-07-21", "SWIR", "V2KRNS10__20060721E_V000"),
        ("V2KRNS1___20050513F_V003/V220050513179/V220050513179_TG.HDF",
         "SPOTVEGETATION_L3_S1", "2005-05-13", "TIME", "V2KRNS1__20050513F_V003"),
    ],
)  # fmt: skip
def test_paths(path, product, day, layer, granule):
    found = parse_name(path)
    assert (found.product, str(found.date), found.layer, found.granule) == (product, day, layer, granule)


def test_files_of_one_granule_share_its_name():
    stem = "PROBAV_S1_TOC_X18Y02_20160101_333M_V101"
    names = {parse_name(f"{stem}_{layer}.tif").granule for layer in ("NDVI", "RADIOMETRY", "SM", "TIME")}
    assert names == {stem}
    c2 = "PROBAV_S10_TOC_X35Y12_20190801_333M_{}_V201.TIFF"
    assert len({parse_name(c2.format(layer)).granule for layer in ("NDVI", "RED", "SM", "GEOMETRY")}) == 1
    for whole in ("c_gls_FAPAR-RT6{}_202001310000_CUSTOM_PROBAV_V2.0.2.tiff", "V2KRNS10__20060721E{}.HDF"):
        parts = ("-FAPAR", "-QFLAG", "") if "FAPAR" in whole else ("_B0", "_NDV", "")
        assert len({parse_name(whole.format(part)).granule for part in parts}) == 1
    cover = "W080N20_PROBAV_LC100_global_v3.0.1_2019-nrt_{}_EPSG-4326.tif"
    layers = ("Discrete-Classification-map", "Tree-CoverFraction-layer", "DataDensityIndicator")
    assert len({parse_name(cover.format(layer)).granule for layer in layers}) == 1


@pytest.mark.parametrize(
    "worse_to_better",
    [
        ["PROBAV_S1_TOC_20150801_100M_V001.tif", "PROBAV_S1_TOC_20150801_100M_V003.tif"],
        ["PROBAV_S10_TOC_X18Y02_20160101_333M_V101.HDF5", "PROBAV_S10_TOC_X18Y02_20160101_333M_V102.HDF5"],
        [
            "c_gls_FAPAR-RT0_201506300000_GLOBE_PROBAV_V2.0.2.nc",
            "c_gls_FAPAR-RT6_201506300000_GLOBE_PROBAV_V2.0.1.nc",
            "c_gls_FAPAR-RT6_201506300000_GLOBE_PROBAV_V2.0.2.nc",
            "c_gls_FAPAR-RT6_201506300000_GLOBE_PROBAV_V2.0.10.nc",
            "c_gls_FAPAR_201506300000_GLOBE_VGT_V2.0.1.nc",  # consolidated from the start
        ],
        [
            f"PROBAV_LC100_global_v3.0.1_2019-{epoch}_Discrete-Classification-map_EPSG-4326.tif"
            for epoch in ("nrt", "conso", "base")
        ],
        [f"c_gls_LAI300-RT{step}_201506300000_GLOBE_PROBAV_V1.0.1.nc" for step in range(7)],
        [
            "c_gls_BA300-NRT_202301010000_GLOBE_S3_V3.1.1.nc",
            "c_gls_BA300-NTC_202301010000_GLOBE_S3_V3.1.1.nc",
        ],
        ["V1KRNS10__20030101E.zip", "V2KRNS10__20030101E.zip", "V1KRNS10__20030101E_V003.zip"],
        ["chirps/prelim/chirps-v2.0.2015.02.3.tif", "chirps/global/chirps-v2.0.2015.02.3.tif"],
    ],
)
def test_rank_orders_runs_of_one_date(worse_to_better):
    ranks = [parse_name(name).rank for name in worse_to_better]
    assert ranks == sorted(set(ranks))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (
            "PROBAV_L2A_20180604_104840_2_1KM_V101.HDF5",
            "L2A .* take the daily synthesis PROBAV_L3_S1_TOA_1KM",
        ),
        ("PROBAV_L2A_20180604_104840_2_333M_ANTAR_V101.HDF5", "PROBAV_L3_S1_TOA_333M"),
        ("PROBAV_L1C_20180604_104840_2_V101.HDF5", "L1C .* take the daily synthesis PROBAV_L3_S1_TOA_333M"),
        ("V2KRNP____20140321F146_V003", "projected segments.*SPOTVEGETATION_L3_S1"),
        ("V2KRNP____20140321F146_V003/V220140321146/V220140321146_B0.HDF", "projected segments"),
        ("V2KRND10__20060721E.zip", "bidirectional composite"),
        ("V220050513179_B0.HDF", "leave it in its product's folder"),
        ("V2KRNS10__20060721E/0001/0001_WVG.HDF", "WVG is no plane"),
        ("V2KRNS10__20060722E.zip", "starts no period"),
        ("NDV_20050512_AFRICA_Extract.tif", "starts no period"),
        ("c_gls_BA300_QL_201801100000_GLOBE_PROBAV_V1.0.1.tiff", "quicklook"),
        ("c_gls_BA300_201801010000_GLOBE_PROBAV_V1.0.1.nc", "ends no period"),
        (
            "c_gls_FAPAR_199901100000_GLOBE_VGT_V1.4.1.nc",
            "FAPAR version 1 is not supported; supported: FAPAR_V2",
        ),
        ("c_gls_LC100-COV-GRASSLAND_201501010000_AFRI_PROBAV_1.0.1.nc", "LC100 version 1 is not supported"),
        ("c_gls_SWI1km_202201091200_CEURO_SCATSAR_V1.0.1.nc", "SWI1km version 1 is not supported"),
        ("c_gls_FAPAR-RT6-NDVI_202001310000_CUSTOM_PROBAV_V2.0.2.tiff", "no variable 'NDVI'"),
        ("PROBAV_LC100_global_v3.0.1_2019-nrt_Lava-CoverFraction-layer_EPSG-4326.tif", "no layer Lava-Cover"),
        ("PROBAV_LC100_global_v2.0.1_2015-base_Forest-Type-layer_EPSG-4326.tif", "LC100 version 2"),
        ("urn:eop:VITO:PROBAV_S10_TOC_333M_COG_V2", "not a known product file name"),
        ("PROBAV_S10_TOC_X18Y02_20160101_333M_V101.VRG", "not a known product file name"),
        ("x" * 300 + ".tif", "has 304 characters"),
        ("PROBAV_S10_TOC_X18Y02_20160230_333M_V101.HDF5", "20160230 is no date"),
        ("PROBAV_S10_TOC_X18Y02_20160102_333M_V101.HDF5", "starts no period"),
        ("PROBAV_S5_TOC_X18Y02_20160103_100M_V101.HDF5", "starts no period"),
        ("c_gls_FAPAR_200502270000_GLOBE_VGT_V2.0.1.nc", "ends no period"),
        ("PROBAV_S10_TOC_X36Y02_20160101_333M_V101.HDF5", "no PROBA-V tile"),
        ("PROBAV_S5_TOC_X18Y02_20160101_333M_V101.HDF5", "there is no product PROBAV_L3_S5_TOC_333M"),
        ("chirps-v2.0.2015.02.4.tif", "expected a dekad"),
        ("chirps-v2.0.2015.02.tif", "expected a dekad"),
        ("chirps-v2.0.2015.13.1.tif", "no date"),
        ("holiday.tif", "not a known product file name; expected e.g."),
        ("PROBAV_S10_TOC_X18Y02_20160101_333M_V101.xml", "not a known product file name"),
        ("", "not a known product file name"),
    ],
)
def test_refused_names_say_why(name, reason):
    with pytest.raises(SourceError, match=reason):
        parse_name(name)


def only_a_name_or_a_source_error(text):
    try:
        found = parse_name(text)
    except SourceError:
        return
    assert isinstance(found, ProductName)
    assert found.product in PRODUCTS
    assert found.date.dtype == np.dtype("datetime64[D]")


@settings(deadline=None)
@given(st.text() | st.text("_-./VKRNS10PROBAc_glsX0123456789"))
def test_any_text(text):
    only_a_name_or_a_source_error(text)


LIKE_OFFICIAL = (
    r"PROBAV_(S1|S5|S10|L2A)_(TOC|TOA)(_X\d\dY\d\d)?_\d{8}_(100M|333M|1KM)(_NDVI)?(_RED|_SM)?_V\d{3}(_SM|_TIME)?"
    r"\.(HDF5|tif|TIFF)",
    r"(c_gls|g2_BIOPAR)_(NDVI300|FAPAR|SWI|BA300)(-RT\d)?([-_][A-Z0-9]{2,6}){0,2}_20\d{10}(_[A-Z]{4,6})?_(VGT|S3)"
    r"_V?\d{1,4}(\.\d{1,4}){1,3}\.nc",
    r"chirps-v2\.0\.\d{4}\.\d\d\.\d\d?(\.\d)?\.tif(\.gz)?",
    r"([EW]\d{3}[NS]\d\d_)?PROBAV_LC100_global_v\d\.0\.1_\d{4}-(base|nrt)_[A-Za-z-]+_EPSG-4326\.tif",
    r"V[12]KRN(S1|S10|P|D10)_{0,3}\d{8}[A-Z]?\w{0,9}(/[0-9]{4}_(B0|NDV|XY)\.HDF|\.ZIP)",
    r"(V[12]\d{11}|NDV_\d{8})_[A-Z0-9]{1,5}(_Extract)?\.(HDF|tif)",
)


@settings(deadline=None, max_examples=200)
@given(st.one_of(*(st.from_regex(pattern, fullmatch=True) for pattern in LIKE_OFFICIAL)))
def test_anything_that_looks_official(text):
    only_a_name_or_a_source_error(text)


FIRST_DAYS = {"day": range(1, 29), "five-day": (1, 6, 11, 16, 21, 26), "dekad": (1, 11, 21)}


@settings(deadline=None)
@given(st.data())
def test_probav_names_there_and_back(data):
    product = data.draw(st.sampled_from([name for name in PRODUCTS if name.startswith("PROBAV_L3")]))
    _, _, synthesis, level, *rest = product.split("_")
    ndvi, second = "NDVI" in rest, "C2" in rest
    (resolution,) = {"100M", "333M", "1KM"} & set(rest)
    day = data.draw(st.dates(date(2013, 10, 16), date(2021, 10, 31)))
    days = FIRST_DAYS[PRODUCTS[product].cadence]
    day = day.replace(day=data.draw(st.sampled_from(days)))
    tile = f"X{data.draw(st.integers(0, 35)):02d}Y{data.draw(st.integers(0, 13)):02d}"
    version = data.draw(st.sampled_from([201, 202] if second else [1, 2, 3, 101, 102]))
    name = f"PROBAV_{synthesis}_{level}_{tile}_{day:%Y%m%d}_{resolution}{'_NDVI' * ndvi}_V{version:03d}.HDF5"
    found = parse_name(name)
    assert (found.product, found.tile, found.rank) == (product, tile, version)
    assert (found.date, found.granule) == (np.datetime64(day), name[:-5])


@settings(deadline=None)
@given(st.data())
def test_copernicus_names_there_and_back(data):
    known = [name for name in PRODUCTS if name.startswith("CGLS_") and "LC100" not in name]
    product = PRODUCTS[data.draw(st.sampled_from(known))]
    name, _, major = product.id[5:].rpartition("_V")
    day = data.draw(st.dates(date(1998, 4, 1), date(2021, 12, 31)))
    first, last = {
        "day": (day, day),
        "month": (day.replace(day=1), None),
        "year": (day.replace(month=1, day=1), None),
    }.get(product.cadence, (None, None))
    if product.cadence == "dekad":
        start = data.draw(st.sampled_from([1, 11, 21]))
        first = day.replace(day=start)
        last = first.replace(day={1: 10, 11: 20, 21: monthrange(day.year, day.month)[1]}[start])
    step = data.draw(st.none() | st.integers(0, 6))
    layer = data.draw(st.none() | st.sampled_from(list(product.variables)))
    middle = "" if step is None else f"-RT{step}"
    middle += "" if layer is None else "-" + layer.replace("_", "-")
    area = data.draw(st.sampled_from(["GLOBE", "AFRI", "SOAM", "CUSTOM"]))
    shown = {"first": first, "last": last, "within": day}[product.date_in_name]
    patch = data.draw(st.integers(0, 999))
    found = parse_name(f"c_gls_{name}{middle}_{shown:%Y%m%d}0000_{area}_PROBAV_V{major}.0.{patch}.nc")
    assert (found.product, found.date, found.layer) == (product.id, np.datetime64(first), layer)
    assert found.rank == (9 if step is None else step) * 10**9 + int(major) * 10**6 + patch


@settings(deadline=None)
@given(st.dates(min_value=date(2013, 10, 16)), st.sampled_from(["V001", "V101", "V201"]))
def test_every_day_is_a_daily_synthesis(day, version):
    name = parse_name(f"PROBAV_S1_TOC_X18Y02_{day:%Y%m%d}_1KM_{version}.HDF5")
    assert name.date == np.datetime64(day)


def test_every_dekad_of_a_leap_year_by_its_last_day():
    ends = "20160110 20160120 20160131 20160210 20160220 20160229".split()
    dates = [str(parse_name(f"c_gls_FAPAR-RT6_{end}0000_GLOBE_PROBAV_V2.0.2.nc").date) for end in ends]
    assert dates == ["2016-01-01", "2016-01-11", "2016-01-21", "2016-02-01", "2016-02-11", "2016-02-21"]
