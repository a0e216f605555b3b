"""Users' servers in containers of docker or podman: `spawner: docker`."""
