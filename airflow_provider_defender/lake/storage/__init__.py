"""The store of a lake: a local folder or an object store.

`storage.py` is the interface that the lake needs, `local.py` and `object_store.py` implement it; `bounded.py`
limits the time of calls, `hashing.py` computes the SHA-256 of files, `address.py` parses addresses.
"""
