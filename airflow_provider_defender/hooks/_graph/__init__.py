"""Microsoft Graph's security API as data, and filters of its alerts and incidents."""
