"""What servers and queries use, per user and group, held to the budgets of the configuration."""
