"""Connections: lookup, fields, the Test button, and which values messages may show."""
