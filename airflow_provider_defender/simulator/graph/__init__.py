"""Microsoft Graph security: alerts of every product and their incidents, beside those of the alerts API."""
