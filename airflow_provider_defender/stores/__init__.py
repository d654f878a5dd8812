"""Opening a lake from Airflow's object storage paths, and translating its errors into this package's."""
