"""What the options of a query may be: apart, so that a command line or a magic declares them at once."""

RULES = ("fraction", "centre", "touched", "bilinear")
WEIGHTS = ("pixel", "area")
ENGINES = ("auto", "local", "spark", "livy")
FILE_ENGINES = ("auto", "local", "spark")
DEFAULT_REDUCERS = ("mean", "std", "p10", "p50", "p90")
RESAMPLING = ("nearest", "mean", "mode")
BY_TIME = {
    "month": "first day of the month",
    "season": "first day of the season: December to February, March to May, and so on",
    "year": "first day of the year",
    "dekad-of-year": "dekad of the year, 1 to 36, over all years",
    "month-of-year": "month, 1 to 12, over all years",
}
"""Groupings of dates, and what labels their groups."""
