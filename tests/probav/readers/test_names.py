from datetime import date

import numpy as np
import pytest
from hypothesis import given
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


def test_files_of_one_granule_share_its_name():
    stem = "PROBAV_S1_TOC_X18Y02_20160101_333M_V101"
    names = {parse_name(f"{stem}_{layer}.tif").granule for layer in ("NDVI", "RADIOMETRY", "SM", "TIME")}
    assert names == {stem}
    c2 = "PROBAV_S10_TOC_X35Y12_20190801_333M_{}_V201.TIFF"
    assert len({parse_name(c2.format(layer)).granule for layer in ("NDVI", "RED", "SM", "GEOMETRY")}) == 1


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
    ],
)
def test_rank_orders_runs_of_one_date(worse_to_better):
    ranks = [parse_name(name).rank for name in worse_to_better]
    assert ranks == sorted(set(ranks))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("PROBAV_L2A_20180604_104840_2_1KM_V101.HDF5", "L2A .* not supported yet"),
        ("PROBAV_L1C_20180604_104840_2_V101.HDF5", "L1C .* not supported yet"),
        ("V2KRNS10__20130701_NDVI__Africa.hdf", "SPOT-VEGETATION is not supported yet"),
        ("V220050513179_B0.HDF", "SPOT-VEGETATION is not supported yet"),
        ("NDV_20050511_REGION_Extract.tif", "SPOT-VEGETATION is not supported yet"),
        ("c_gls_GDMP300-RT5_202003100000_GLOBE_PROBAV_V1.0.1.nc", "GDMP300 version 1 is not supported yet"),
        ("c_gls_NDVI300_202103210000_GLOBE_OLCI_V2.0.1.nc", "NDVI300 version 2 is not supported yet"),
        (
            "c_gls_LC100-COV-GRASSLAND_201501010000_AFRI_PROBAV_1.0.1.nc",
            "LC100 version 1 is not supported yet",
        ),
        ("c_gls_FAPAR-RT6-QFLAG_202001310000_CUSTOM_PROBAV_V2.0.2.tiff", "no variable 'QFLAG'"),
        ("PROBAV_LC100_global_v3.0.1_2019-nrt_Tree-CoverFraction-layer_EPSG-4326.tif", "Tree-CoverFraction"),
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


@given(st.text())
def test_any_text(text):
    only_a_name_or_a_source_error(text)


@given(
    st.one_of(
        st.from_regex(
            r"PROBAV_(S1|S5|S10)_(TOC|TOA)(_X\d\dY\d\d)?_\d{8}_(100M|333M|1KM)(_NDVI)?(_RED|_SM)?_V\d{3}(_SM|_TIME)?"
            r"\.(HDF5|tif|TIFF)",
            fullmatch=True,
        ),
        st.from_regex(
            r"c_gls_(NDVI300|FAPAR)(-RT\d)?(-FAPAR)?_20\d{10}_[A-Z]{4,6}_(VGT|PROBAV)_V?\d{1,9}\.\d\.\d{1,4}\.nc",
            fullmatch=True,
        ),
        st.from_regex(r"chirps-v2\.0\.\d{4}\.\d\d\.\d\d?(\.\d)?\.tif(\.gz)?", fullmatch=True),
        st.from_regex(
            r"([EW]\d{3}[NS]\d\d_)?PROBAV_LC100_global_v\d\.0\.1_\d{4}-(base|nrt)_[A-Za-z-]+_EPSG-4326\.tif",
            fullmatch=True,
        ),
    )
)
def test_anything_that_looks_official(text):
    only_a_name_or_a_source_error(text)


@given(st.dates(min_value=date(2013, 10, 16)), st.sampled_from(["V001", "V101", "V201"]))
def test_every_day_is_a_daily_synthesis(day, version):
    name = parse_name(f"PROBAV_S1_TOC_X18Y02_{day:%Y%m%d}_1KM_{version}.HDF5")
    assert name.date == np.datetime64(day)


def test_every_dekad_of_a_leap_year_by_its_last_day():
    ends = "20160110 20160120 20160131 20160210 20160220 20160229".split()
    dates = [str(parse_name(f"c_gls_FAPAR-RT6_{end}0000_GLOBE_PROBAV_V2.0.2.nc").date) for end in ends]
    assert dates == ["2016-01-01", "2016-01-11", "2016-01-21", "2016-02-01", "2016-02-11", "2016-02-21"]
