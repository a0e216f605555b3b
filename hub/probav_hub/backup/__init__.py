"""Copies of what a hub keeps, made while it runs, and brought back."""
