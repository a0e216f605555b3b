"""Where tiles are: the address that a map in a notebook asks."""

PREFIX = "PROBAV_SERVER_PREFIX"  # path of the notebook server, which hands it to its kernels
