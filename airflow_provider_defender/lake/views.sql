-- Views of a lake for DuckDB 1.2 or newer, as table macros: views that take the lake's path or URL.
--   from latest_alerts('data/lake') where landing.item = 0;
--   from events('s3://bucket/lake', 'DeviceProcessEvents') where date = '2026-11-22' and hour >= 9;

-- The latest state of each alert, one row an evidence item.
create or replace macro latest_alerts(lake) as table
select *
from read_parquet(
  rtrim(lake, '/') || '/alerts/date=*/*.parquet',
  hive_partitioning = true, hive_types = {'date': 'date'}
)
qualify rank() over (
  partition by landing.key
  order by microsoft.defender_endpoint.lastUpdateTime desc nulls last, event.ingested desc, landing.version desc
) = 1;

-- The events of one table, each once: of those that the exporter has sent several times, the first.
-- Duplicates have one landing.key and one time of their own, so they lie in one partition: with date and hour
-- beside the key, a condition on date and hour opens only the files of these hours.
create or replace macro events(lake, dataset) as table
select *
from read_parquet(
  rtrim(lake, '/') || '/events/' || dataset || '/date=*/hour=*/*.parquet',
  hive_partitioning = true, hive_types = {'date': 'date', 'hour': 'int'}
)
qualify row_number() over (
  partition by landing.key, date, hour
  order by landing.kafka.enqueued, landing.kafka.partition, landing.kafka.offset, landing.kafka.record
) = 1;
