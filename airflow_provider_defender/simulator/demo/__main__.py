"""`python -m airflow_provider_defender.simulator.demo`."""

from __future__ import annotations

import sys

from airflow_provider_defender.simulator.demo.run import main

if __name__ == "__main__":
    sys.exit(main())
