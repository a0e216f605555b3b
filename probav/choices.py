"""What the options of a query may be: apart, so that a command line or a magic declares them at once."""

RULES = ("fraction", "centre", "touched")
WEIGHTS = ("pixel", "area")
ENGINES = ("auto", "local", "spark")
DEFAULT_REDUCERS = ("mean", "std", "p10", "p50", "p90")
RESAMPLING = ("nearest", "mean", "mode")
