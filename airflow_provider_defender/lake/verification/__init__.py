"""Whether a lake still holds what was landed.

`verify.py` puts it together: `chain.py` reads the commits of a log, `index.py` keeps what they say of their
files, `files.py` reads these and looks for others, `differences.py` says what was found.
"""
