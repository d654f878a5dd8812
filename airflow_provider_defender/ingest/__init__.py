"""The loop for all sources: read, map, select what is new, write, commit; and the summary of a run."""
