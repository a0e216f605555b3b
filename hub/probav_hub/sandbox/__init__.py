"""Users' servers as processes of this machine that see their own home only and keep to their limits."""
