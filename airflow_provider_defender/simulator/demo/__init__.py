"""`make demo`: the shipped DAGs in a real Airflow, against the simulator."""
