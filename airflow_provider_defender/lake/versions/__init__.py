"""The position and ledger of REST sources: versions of records, and the watermark."""
