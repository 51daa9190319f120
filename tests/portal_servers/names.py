"""Names and numbers of the made-up portal that tests speak of."""

GRAPHQL_HOST = "graphql.cryoetdataportal.czscience.com"
BUCKET = "cryoet-data-portal-public"
SPACING = 10.012
SHAPE_ZYX = (40, 72, 96)
AWKWARD_SHAPE_ZYX = (24, 40, 56)
RUN_NAMES = ("TS_5_4", "TS_6_4", "TS_69_2")
OBJECTS = (
    ("ferritin complex", "GO:0070288", 4),
    ("beta-amylase", "UniProtKB:P10537", 2),
    ("beta-galactosidase", "UniProtKB:P00722", 3),
    ("cytosolic ribosome", "GO:0022626", 4),
    ("thyroglobulin", "UniProtKB:P01267", 3),
    ("virus-like capsid", "GO:0170047", 2),
)
TRUTH, WINNER, RUNNER_UP = 10310, 10319, 10320
DATASET, AWKWARD, EMPTY, MANY = 10440, 10901, 10902, 10903
FIRST_RUN, FIRST_AWKWARD_RUN, FIRST_OF_MANY = 16463, 17001, 18001
RUNS_OF_MANY = 120
AWKWARD_RUNS = (
    "good",
    "no_tomogram",
    "tomogram_without_files",
    "two_of_one_type",
    "empty_points",
    "malformed_points",
    "other_alignment",
    "lost_chunk",
    "sparse_store",
    "instances",
)
