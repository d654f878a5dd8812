"""The extra `simulator`: importing this module fails, with what to do, if the extra is not installed."""

from __future__ import annotations

import sys
from importlib.util import find_spec

__all__ = ["check"]

#: Modules that the simulator imports, of the packages that the extra names.
_MODULES = ("jwt", "starlette", "trustme", "uvicorn")


def check() -> None:
    """Check that the extra is installed.

    Raises ImportError, which says how to install it. For `python -m`, it ends the process instead, so that
    people see the message without a traceback.
    """
    missing = [name for name in _MODULES if find_spec(name) is None]
    if not missing:
        return
    text = (
        f"The simulator needs {', '.join(missing)}. "
        'Install it with: pip install "airflow-provider-defender[simulator]"'
    )
    if sys.argv[0] == "-m":  # so it is while Python looks for the module that -m names
        sys.exit(text)
    raise ImportError(text)


check()
