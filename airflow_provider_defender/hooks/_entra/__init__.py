"""Entra ID: credentials and tokens."""
