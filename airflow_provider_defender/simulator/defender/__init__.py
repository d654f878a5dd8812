"""Defender for Endpoint: the alerts API, its OData filters, and the tenant behind it."""
