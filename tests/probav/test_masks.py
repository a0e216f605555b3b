import time
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import probav
from probav.errors import MaskError, ProbavError, UnknownNameError
from probav.masks import Layer, parse_mask

S10 = "PROBAV_L3_S10_TOC_333M"
NDVI, SM, RED = (Layer(S10, name) for name in ("NDVI", "SM", "RED"))
COVER = Layer("CGLS_LC100_V3", "LC")
RAIN = Layer("CHIRPS_V2_DEKAD", "RAINFALL")
ALL = np.arange(256, dtype="uint8")


@pytest.fixture(scope="module")
def parse(world):
    product = world.archive[S10]
    return lambda text: parse_mask(text, product, world.archive)


@pytest.fixture(scope="module")
def truth(parse):
    """Where a mask is true, given stored numbers by layer; every SM or NDVI number if none are given."""

    def evaluate(text, **layers):
        mask = parse(text)
        known = {"ndvi": NDVI, "sm": SM, "red": RED, "cover": COVER, "rain": RAIN}
        given = {known[name]: np.asarray(dn) for name, dn in layers.items()}
        return mask.evaluate(given or {mask.layers[0]: ALL}).tolist()

    return evaluate


def status(test):
    """Truth of a test for each status map number, by whole-number arithmetic only."""
    return np.array([test(value % 8, value // 8 % 2, value // 32 % 4, value // 16) for value in range(256)])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("clear", status(lambda kind, *_: kind == 0)),
        ("shadow", status(lambda kind, *_: kind == 1)),
        ("undefined", status(lambda kind, *_: kind == 2)),
        ("cloud", status(lambda kind, *_: kind == 3)),
        ("snow", status(lambda kind, *_: kind == 4)),
        ("land", status(lambda _, land, *__: land == 1)),
        ("sea", status(lambda _, land, *__: land == 0)),
        ("good", status(lambda _, __, red_nir, ___: red_nir == 3)),
        ("all_bands_good", status(lambda *parts: parts[3] == 15)),
        ("clear & land", status(lambda kind, land, *_: kind == 0 and land == 1)),
        ("~cloud & ~shadow", status(lambda kind, *_: kind not in (1, 3))),
        ("CLEAR&Land", status(lambda kind, land, *_: kind == 0 and land == 1)),
        ("clear and not sea", status(lambda kind, land, *_: kind == 0 and land == 1)),
        ("sm == 248", ALL == 248),
        ("sm in (248, 232)", (ALL == 248) | (ALL == 232)),
    ],
)
def test_status_map_names_mean_what_the_manual_says(truth, text, expected):
    assert truth(text) == expected.tolist()


def test_layers_are_compared_in_physical_units_and_classes_by_code_or_name(truth):
    cover = np.array([40, 40, 40, 20, 50, 255], "uint8")
    ndvi = np.array([46, 45, 255, 250, 250, 250], "uint8")
    text = "landcover in (40, 'cropland') & ndvi > 0.1"
    assert truth(text, cover=cover, ndvi=ndvi) == [True, False, False, False, False, False]
    assert truth("landcover in ('Shrubs', 'urban')", cover=cover) == [False, False, False, True, True, False]
    assert truth("'urban' == landcover", cover=cover) == [False, False, False, False, True, False]
    rain = np.array([9.9, 10, 10.1, -9999, np.nan], "float32")
    assert truth("rainfall >= 10", rain=rain) == [False, True, True, False, False]
    assert truth("CHIRPS_V2_DEKAD >= 10", rain=rain) == [False, True, True, False, False]


@pytest.mark.parametrize("op", ["==", ">=", "<="])
def test_a_stored_number_equals_its_value_as_it_is_written(truth, op):
    # 45 * 0.004 - 0.08 is 0.09999999999999999 in binary
    for dn in range(251):
        value = Fraction(4 * dn - 80, 1000)
        assert truth(f"ndvi {op} {float(value)}", ndvi=np.array([dn], "uint8")) == [True]


@pytest.mark.parametrize(
    "text", ["ndvi > -1", "ndvi < 1", "ndvi != 0.5", "ndvi not in (0.5, 0.6)", "-1 < ndvi < 1"]
)
def test_a_comparison_with_a_pixel_without_value_is_false(truth, text):
    assert truth(text, ndvi=np.array([10, 255], "uint8")) == [True, False]


def test_not_of_a_comparison_is_true_without_a_value(truth):
    assert truth("~(ndvi > 0.1)", ndvi=np.array([10, 100, 255], "uint8")) == [True, False, True]


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("~ndvi > 0.1", "~(ndvi > 0.1)"),
        ("clear & ndvi > 0.1", "clear & (ndvi > 0.1)"),
        ("~clear & land", "(~clear) & land"),
        ("clear | land & good", "clear | (land & good)"),
        ("clear & land | good", "(clear & land) | good"),
        ("~clear | land", "(~clear) | land"),
        ("0.1 < ndvi <= 0.5", "(0.1 < ndvi) & (ndvi <= 0.5)"),
        ("~~clear", "clear"),
        ("clear  &\tland", "clear & land"),
    ],
)
def test_precedence(truth, text, same):
    random = np.random.default_rng(3)
    layers = {"ndvi": random.integers(0, 256, 500, "uint8"), "sm": random.integers(0, 256, 500, "uint8")}
    given = truth(text, **layers)
    assert len(set(given)) == 2
    assert given == truth(same, **layers)


# --- random expressions against exact arithmetic ---------------------------------------------------------

FLAGS = {
    "clear": lambda sm: sm % 8 == 0,
    "cloud": lambda sm: sm % 8 == 3,
    "snow": lambda sm: sm % 8 == 4,
    "land": lambda sm: sm // 8 % 2 == 1,
    "good": lambda sm: sm // 32 % 4 == 3,
}
OPERATORS = {
    "<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b, "!=": lambda a, b: a != b,
}  # fmt: skip
VALUES = {
    "ndvi": lambda p: None if p["ndvi"] > 250 else Fraction(4 * p["ndvi"] - 80, 1000),
    "red": lambda p: None if p["red"] < 0 else Fraction(p["red"], 2000),
    "landcover": lambda p: None if p["cover"] == 255 else Fraction(p["cover"]),
}
CONSTANTS = {
    "ndvi": st.integers(-100, 1000).map(lambda n: Fraction(n, 1000)),
    "red": st.integers(0, 4000).map(lambda n: Fraction(n, 2000)),
    "landcover": st.sampled_from([20, 30, 40, 50, 111, 200]).map(Fraction),
}


@st.composite
def comparison(draw):
    layer = draw(st.sampled_from(sorted(VALUES)))
    if draw(st.booleans()):
        op, constant = draw(st.sampled_from(sorted(OPERATORS))), draw(CONSTANTS[layer])
        turned = draw(st.booleans())
        text = f"{float(constant)} {op} {layer}" if turned else f"{layer} {op} {float(constant)}"

        def test(pixel):
            value = VALUES[layer](pixel)
            pair = (constant, value) if turned else (value, constant)
            return value is not None and OPERATORS[op](*pair)

        return text, test, 3
    constants, negated = draw(st.lists(CONSTANTS[layer], max_size=3)), draw(st.booleans())
    items = ", ".join(str(float(constant)) for constant in constants)

    def test(pixel):
        value = VALUES[layer](pixel)
        return value is not None and (value in constants) != negated

    return f"{layer} {'not ' if negated else ''}in [{items}]", test, 3


def flag():
    return st.sampled_from(sorted(FLAGS)).map(lambda name: (name, lambda pixel: FLAGS[name](pixel["sm"]), 4))


def wrapped(part, level):
    """Give the text of a part, in parentheses only where its operator binds looser."""
    return part[0] if part[2] >= level else f"({part[0]})"


def larger(parts):
    negation = parts.map(lambda p: (f"~{wrapped(p, 2)}", lambda pixel: not p[1](pixel), 2))
    both = st.tuples(parts, parts)
    conjunction = both.map(
        lambda ps: (f"{wrapped(ps[0], 1)}&{wrapped(ps[1], 2)}", lambda x: ps[0][1](x) and ps[1][1](x), 1)
    )
    disjunction = both.map(
        lambda ps: (f"{wrapped(ps[0], 0)} | {wrapped(ps[1], 1)}", lambda x: ps[0][1](x) or ps[1][1](x), 0)
    )
    return st.one_of(negation, conjunction, disjunction)


PIXEL = st.fixed_dictionaries({
    "ndvi": st.integers(0, 255), "sm": st.integers(0, 255), "red": st.integers(-1, 4000),
    "cover": st.sampled_from([20, 30, 40, 50, 111, 200, 255]),
})  # fmt: skip


EXPRESSIONS = st.recursive(st.one_of(flag(), comparison()), larger, max_leaves=8)


@given(EXPRESSIONS, st.lists(PIXEL, min_size=1, max_size=30))
def test_random_masks_equal_exact_arithmetic(parse, expression, pixels):
    text, test, _ = expression
    mask = parse(text)
    types = {NDVI: ("ndvi", "uint8"), SM: ("sm", "uint8"), RED: ("red", "int16"), COVER: ("cover", "uint8")}
    layers = {
        layer: np.array([pixel[name] for pixel in pixels], dtype)
        for layer, (name, dtype) in types.items()
        if layer in mask.layers
    }
    expected = [test(pixel) for pixel in pixels]
    np.testing.assert_array_equal(np.broadcast_to(mask.evaluate(layers), len(pixels)), expected, text)
    table = mask.table()
    assert (table is not None) == (len(mask.layers) == 1 and RED not in mask.layers)
    if table is not None:
        np.testing.assert_array_equal(table[1][layers[table[0]]], expected, text)


# --- nothing but the language ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "", "   ", "\n", "&", "clear &", "& clear", "clear & & land", "(clear", "clear)", "clear land",
        "clear; land", "clear\nland", "clear = 1", "clear &= land", "clear,", "`clear`", "clear !",
        "clear ? land", "\0", "clear\0", "__import__('os').system('true')", "exec('1')", "open('x')",
        "clear()", "clear.any()", "clear.__class__", "ndvi.__class__ == 1", "clear[0]", "ndvi[0] > 1",
        "(lambda: clear)()", "lambda: clear", "(clear := land)", "f'{clear}' == 'x'",
        "landcover == f'{ndvi}'", "f'{__import__(\"os\")}'", "clear if land else sea", "[clear]", "{clear}",
        "(clear, land)", "[c for c in clear]", "(c for c in clear)", "{'a': clear}", "await clear",
        "yield clear", "*clear", "clear & *land", "...", "None", "True", "1", "'clear'", "1 < 2",
        "1 in (1, 2)", "ndvi", "ndvi & clear", "~ndvi", "clear == 1", "clear == clear", "clear > 0.1",
        "clear in (1, 2)", "-clear", "ndvi + 1 > 2", "-ndvi > 1", "ndvi @ 2 > 1", "ndvi ** 9 > 1",
        "ndvi > 2 ** 9999", "ndvi << 2 > 1", "ndvi ^ 1", "ndvi > 1j", "ndvi > 1 + 2j", "ndvi > ...",
        "ndvi > None", "ndvi > True", "ndvi > b'x'", "b'x' == ndvi", "None == ndvi", "ndvi > (0.1, 0.2)",
        "(0.1, 0.2) < ndvi", "[40] == landcover", "ndvi in 0.1", "40 in landcover", "landcover in cover",
        "ndvi in ((0.1,), (0.2,))", "landcover in ([40],)", "landcover in {40: 1}", "landcover in {[40]}",
        "landcover in (40, None)", "landcover in (40, ndvi)", "landcover in landcover", "ndvi is 0.1",
        "ndvi is not 0.1", "ndvi > 0.1 > 0.05", "ndvi > --1", "ndvi > " + "9" * 400, "ndvi > " + "9" * 1900,
        "landcover in (" + "9" * 400 + ",)", "~" * 100 + "clear", "~" * 1900 + "clear",
        "not " * 450 + "clear", "(" * 90 + "clear" + ")" * 90 + "[0]", "(" * 900 + "clear" + ")" * 900,
        "landcover in " + "(" * 300 + "40" + ",)" * 300, "clear" + " & clear" * 100_000, "x" * 10_000_000,
        "[" * 1900, "ndvi > " + "-" * 1500 + "1", "clear" + "[0]" * 600, "clear" + ".a" * 900,
    ],
)  # fmt: skip
def test_what_is_not_of_the_language_is_refused_at_once(parse, text):
    start = time.perf_counter()
    with pytest.raises((MaskError, UnknownNameError)) as caught:
        parse(text)
    assert time.perf_counter() - start < 1
    assert isinstance(caught.value, MaskError) or "cover" in text
    assert len(str(caught.value)) < 5000


@pytest.mark.parametrize("mask", [1, b"clear", ["clear"], {"clear": 1}])
def test_a_mask_is_text(parse, mask):
    with pytest.raises(MaskError, match="A mask is an expression such as 'clear & land'"):
        parse(mask)


WORDS = [
    "clear", "land", "ndvi", "landcover", "(", ")", "&", "|", "~", "<", ">=", "==", "in", "not", "0.1", "40",
    "'x'", ",", "[", "]", "{", "}", ":", ":=", "lambda", "if", "else", ".", "f'{", "}'", "*", "-",
    "\n", "#", "\\", '"""', "is", "and", "or", "await", "for", "1e999", "\t", "é", "\u200b", "!",
]  # fmt: skip


@given(st.one_of(st.text(max_size=40), st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join)))
@example("\\")
@example("'''")
@example("\ufeffclear")
@example("clear\f& land")
def test_any_text_is_a_mask_or_refused(parse, text):
    try:
        mask = parse(text)
    except ProbavError:
        return
    layers = {layer: (ALL if layer not in (RED, RAIN) else ALL.astype("int16")) for layer in mask.layers}
    assert mask.evaluate(layers).dtype == bool


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cler & land", "names 'cler', which PROBAV_L3_S10_TOC_333M doesn't know. Did you mean 'clear'"),
        ("clear & ladn", "Did you mean 'land'"),
        ("landcovr == 40", "Did you mean 'landcover'"),
        ("ndvj > 0.1", "Did you mean 'ndvi'"),
        ("landcover == 'cropland '", "LC has no class 'cropland '. Did you mean 'cropland'"),
        ("'croplnd' == landcover", "Did you mean 'cropland'"),
        ("landcover in (40, 'forrest')", "LC has no class 'forrest'"),
        ("ndvi > 'high'", "NDVI has no class 'high'"),
        ("SZA > 30", "names 'SZA', which"),
        ("SZA > 30", "The product has it, but the archive holds none of it"),
        ("clouds", "Did you mean 'cloud'?"),
        ("~Clouds", "Did you mean 'cloud'?"),
        ("status == 248", "Did you mean 'sm'?"),
        ("water", "Did you mean 'sea'?"),
        ("cloudfree & land", "Did you mean 'clear'?"),
        ("cover == 40", "Did you mean 'landcover'?"),
        ("rain > 10", "Did you mean 'rainfall'?"),
        ("landcover == cropland", "That is a class of landcover: write landcover == 'cropland'."),
        ("landcover == bare_or_sparse", "write landcover == 'bare or sparse'"),
        ("landcover == 'croplands'", "Did you mean 'cropland'?"),
        ("landcover == 'Crop'", "Did you mean 'cropland'?"),
        ("landcover == 'evergreen'", "Which of 111 'closed evergreen needleleaf forest', 112"),
        ("landcover == 'forests'", "Several are given by 'in': in (111, 112, 113, 114, 115, 116, 121,"),
    ],
)
def test_unknown_names_get_near_ones(parse, text, words):
    with pytest.raises(UnknownNameError) as caught:
        parse(text)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("clear && land", "'And' is one &: clear & land."),
        ("cloud || shadow", "'Or' is one |: cloud | shadow."),
        ("!cloud", "'Not' is ~: ~cloud."),
        ("clear & !shadow", "'Not' is ~"),
        ("ndvi <> 0.1", "'Unequal' is !=."),
        ("ndvi => 0.1", "The equals sign comes last: >= and <=."),
        ("landcover = 'cropland'", "'Equal' is ==, with two signs."),
        ("clear AND land", "words are in small letters"),
        ("clear land", "Join names: clear & land (both), clear | land (either)."),
        ("clear, land", "Join names: clear & land (all of them), clear | land (any of them)."),
        ("clear, ndvi > 0.1", "Join conditions with &"),
        ("ndvi > 0,1", "Numbers are written with a point: 0.1."),
        ("'clear'", "Names have no quotes: clear."),
        ("-cloud", "'Not' is ~: ~cloud."),
        ("clear + land", "There is no arithmetic"),
        ("cloud == 0", "write cloud or ~cloud"),
        ("ndvi", "compare it, as in ndvi > 0.1"),
        ("landcover & clear", "compare it, as in landcover in (40, 50)"),
        ("sm & 8", "name what its bits mean (clear, land), or compare it, as in sm == 248"),
        ("(clear & land", "A bracket is not closed."),
    ],
)
def test_slips_are_answered_with_what_may_be_meant(parse, text, words):
    with pytest.raises(MaskError) as caught:
        parse(text)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "same"),
    [("ndvi>.1 and clear", "ndvi > 0.1 & clear"), ("not cloud", "~cloud"), ("NOT_A & x", None),
     ("Clear & LAND", "clear & land"), ("landcover == 'CROPLAND'", "landcover == 40"),
     ("sm != 248", "~(sm == 248)")],
)  # fmt: skip
def test_other_ways_to_write_it(parse, text, same):
    if same is None:
        with pytest.raises(UnknownNameError):
            parse(text)
        return
    layers = parse(same).layers
    given = {layer: ALL for layer in layers}
    np.testing.assert_array_equal(parse(text).evaluate(given), parse(same).evaluate(given))


def test_a_mask_whose_layer_is_not_in_the_archive_says_so(tmp_path, world, sources):
    path = world.folder / "2015-01-01" / "PROBAV_S10_TOC_X18Y02_20150101_333M_V101_NDVI.tif"
    probav.ingest(tmp_path / "archive", path)
    archive = probav.open_archive(tmp_path / "archive")
    with pytest.raises(UnknownNameError, match=r"needs SM for 'clear', which .*holds NDVI"):
        parse_mask("clear", archive[S10], archive)


def test_products_bring_their_own_names(world):
    ndvi300 = world.archive["CGLS_NDVI300_V1"]
    mask = parse_mask("cloud | snow", ndvi300, world.archive)
    np.testing.assert_array_equal(mask.table()[1], (ALL == 252) | (ALL == 253))
    np.testing.assert_array_equal(parse_mask("clear", ndvi300, world.archive).table()[1], ALL <= 250)
    with pytest.raises(UnknownNameError, match="names 'shadow', which CGLS_NDVI300_V1"):
        parse_mask("shadow", ndvi300, world.archive)
