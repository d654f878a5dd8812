"""Microsoft Defender for Endpoint: its API as data, and filters of alerts."""
