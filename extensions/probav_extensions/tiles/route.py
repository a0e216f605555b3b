"""Names that the notebook server and its kernels agree on."""

PREFIX = "PROBAV_SERVER_PREFIX"  # environment variable: path of the server, which hands it to its kernels
ARCHIVE = "PROBAV_SERVER_ARCHIVE"  # the archive that the server means where none is named; "": the demo's
ROUTE = "probav/tiles"
