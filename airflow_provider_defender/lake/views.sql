-- Views of a lake for DuckDB 1.2 or newer, as table macros: views that take the lake's path or URL.
--   from latest_alerts('data/lake') where landing.item = 0;
--   from events('s3://bucket/lake', 'DeviceProcessEvents') where date = '2026-11-22' and hour >= 9;

-- The latest state of each alert, one row an evidence item. landing.updated is the state's time, whichever source it
-- was read from; of the same state read from two sources, Graph's counts.
create or replace macro latest_alerts(lake) as table
select *
from read_parquet(
  rtrim(lake, '/') || '/alerts/date=*/*.parquet',
  union_by_name = true, hive_partitioning = true, hive_types = {'date': 'date'}
)
qualify rank() over (
  partition by landing.key
  order by landing.updated desc nulls last, landing.source desc, event.ingested desc, landing.version desc
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

-- The latest state of each incident, one row an incident.
create or replace macro latest_incidents(lake) as table
select *
from read_parquet(
  rtrim(lake, '/') || '/incidents/date=*/*.parquet',
  union_by_name = true, hive_partitioning = true, hive_types = {'date': 'date'}
)
qualify row_number() over (
  partition by landing.key
  order by landing.updated desc nulls last, event.ingested desc, landing.version desc
) = 1;

-- The incidents that Defender has merged into others, and the one that each is a part of by now: of a chain of
-- redirects, the last. `through` has the ids on the way, from the incident itself to the last.
create or replace macro merged_incidents(lake) as table
with recursive
redirects as (
  select landing.tenant as tenant, event.id as incident, microsoft.graph_security.redirectIncidentId as target
  from latest_incidents(lake)
  where microsoft.graph_security.redirectIncidentId is not null
),
chains as (
  select tenant, incident, target as merged_into, [incident, target] as through from redirects
  union all
  select chains.tenant, chains.incident, redirects.target, list_append(chains.through, redirects.target)
  from chains
  join redirects on redirects.tenant is not distinct from chains.tenant and redirects.incident = chains.merged_into
  where not list_contains(chains.through, redirects.target)
)
select * from chains
qualify row_number() over (partition by tenant, incident order by len(through) desc) = 1;
