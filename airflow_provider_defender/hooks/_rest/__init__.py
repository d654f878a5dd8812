"""A client for any REST API; what is specific to one API is data from its hook."""
