"""HTTP(S) in front of services: routing, faults, control paths, clocks, quotas, messages."""
