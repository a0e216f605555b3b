"""Map tiles of the archive, through the notebook server's own prefix."""
