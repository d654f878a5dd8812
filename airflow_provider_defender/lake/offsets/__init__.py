"""The position and ledger of hubs: offsets of messages, by hub partition."""
