"""`python -m tests.golden [--rewrite] [filter …]`: what the golden cases become, and what changes in them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from .cases import FOLDER, changes, paths, produce, read, write


def main(arguments: Sequence[str] | None = None) -> int:
    """Print each difference between a case and what the mapping makes of its record; 1 if any is left."""
    parser = argparse.ArgumentParser(prog="python -m tests.golden", description=main.__doc__)
    parser.add_argument("--rewrite", action="store_true", help="write the new rows into the cases")
    parser.add_argument("filter", nargs="*", help="only cases with one of these texts in their path")
    options = parser.parse_args(arguments)
    changed = 0
    for path in paths(FOLDER, options.filter):
        case = read(path)
        new = produce(path)
        lines = changes(case, new)
        if not lines:
            continue
        changed += 1
        sys.stdout.write(f"{path.relative_to(FOLDER).as_posix()}\n")
        sys.stdout.writelines(f"  {line}\n" for line in lines)
        if options.rewrite:
            write(path, new)
    verb = "rewritten" if options.rewrite else "differ"
    sys.stdout.write(f"{changed} of {len(paths(FOLDER, options.filter))} cases {verb}\n")
    return int(changed > 0 and not options.rewrite)


if __name__ == "__main__":
    sys.exit(main())
