"""JupyterHub of probav: its configuration, and `probav-hub` to run it on one's own machine."""
