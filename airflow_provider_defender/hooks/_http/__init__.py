"""HTTP: sessions, limits of a response, waiting and retrying."""
