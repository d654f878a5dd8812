"""Entra ID: the directory of applications, tokens, AADSTS errors, managed identities, certificates."""
