"""Alerts of Microsoft Graph: what their evidence means in ECS, by its type."""
