"""A hub that runs as a service of a server: its systemd unit, its certificate, its commands."""
