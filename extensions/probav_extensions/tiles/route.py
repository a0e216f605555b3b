"""Names that the notebook server and its kernels agree on."""

PREFIX = "PROBAV_SERVER_PREFIX"  # environment variable: path of the server, which hands it to its kernels
ROUTE = "probav/tiles"
