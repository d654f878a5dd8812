"""`python -m airflow_provider_defender.simulator`: run the simulator from a shell."""

from __future__ import annotations

import argparse
import errno
import json
import os
import shlex
import signal
import sys
import threading
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path

from airflow_provider_defender.simulator._simulator import Simulator
from airflow_provider_defender.simulator.defender.tenant import Tenant
from airflow_provider_defender.simulator.server.files import write_whole

_DESCRIPTION = """\
A local Microsoft tenant to test Airflow DAGs against: Entra ID, the Defender for Endpoint alerts API,
Microsoft Graph's alerts and incidents of all products, and the managed identity endpoint, over TLS with an
authority of its own. Its tenant lives: alerts of the past days are there, new ones come, are updated and
resolved as real time goes on."""

_EPILOG = """\
Control it from other processes under /_simulator (no token needed):

  curl --cacert CA.pem URL/_simulator                                          what there is
  curl --cacert CA.pem URL/_simulator/advance -d '{"seconds": 3600}'           let an hour pass
  curl --cacert CA.pem URL/_simulator/alerts -d '{"count": 5, "evidence": 2}'  five new alerts
  curl --cacert CA.pem URL/_simulator/attack -X POST                           one attack, in all sources
  curl --cacert CA.pem URL/_simulator/faults -d '{"effect": "cut", "page": 1}'   break the second page, once
  curl --cacert CA.pem URL/_simulator/faults -X DELETE                         switch all faults off
  curl --cacert CA.pem URL/_simulator/truth                                    every version of every alert
  curl --cacert CA.pem URL/_simulator/graph/truth                              as Microsoft Graph shows them
  curl --cacert CA.pem URL/_simulator/events -d '{"records": 1000}'            1000 events (with --events)
  curl --cacert CA.pem URL/_simulator/events                                   what events were sent so far

Effects of faults: answer, truncated, cut, reset, silent, slow, next_link, revoke, throttle, aadsts.
Their fields are described in airflow_provider_defender.simulator.Fault."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_defender.simulator",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    server = parser.add_argument_group("server")
    server.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    server.add_argument("--port", type=int, default=8443, help="TLS port, 0 for any (default: %(default)s)")
    server.add_argument(
        "--imds-port", type=int, default=0, metavar="PORT", help="plain port of the managed identity endpoint"
    )
    server.add_argument(
        "--name", action="append", default=[], help="further host name for the certificate (repeatable)"
    )
    server.add_argument(
        "--state",
        type=Path,
        metavar="FOLDER",
        help="keep the certificates here, so that ca.pem stays the same from start to start; also puts a "
        "client certificate and a federated token there (default: a temporary folder)",
    )
    server.add_argument("--ready-file", type=Path, metavar="FILE", help="write all this as JSON when ready")
    server.add_argument("--quiet", action="store_true", help="print nothing")
    tenant = parser.add_argument_group("tenant")
    tenant.add_argument("--seed", default="7", help="decides everything that happens (default: %(default)s)")
    tenant.add_argument(
        "--alerts", type=int, default=200, metavar="N", help="alerts of the past days (default: %(default)s)"
    )
    tenant.add_argument(
        "--days", type=float, default=7, help="how many days back they reach (default: %(default)s)"
    )
    tenant.add_argument(
        "--alerts-per-day", type=float, metavar="N", help="how many come from now on (default: as before)"
    )
    events = parser.add_argument_group("events")
    events.add_argument(
        "--events",
        action="store_true",
        help="also an event hub (Kafka without TLS, 127.0.0.1 only, any port) with the tenant's events",
    )
    events.add_argument(
        "--events-per-minute", type=float, default=300, metavar="N", help="0 for none (default: %(default)s)"
    )
    events.add_argument(
        "--partitions", type=int, default=4, metavar="N", help="of the hub (default: %(default)s)"
    )
    api = parser.add_argument_group("API")
    api.add_argument("--page-size", type=int, default=10_000, help="rows a page (default: %(default)s)")
    api.add_argument(
        "--calls-per-minute", type=int, default=100, metavar="N", help="0 for no limit (default: %(default)s)"
    )
    api.add_argument(
        "--calls-per-hour", type=int, default=1_500, metavar="N", help="0 for no limit (default: %(default)s)"
    )
    api.add_argument(
        "--token-seconds", type=int, default=3_599, help="how long tokens live (default: %(default)s)"
    )
    api.add_argument("--restless", action="store_true", help="change alerts between any two pages")
    return parser


def _simulator(options: argparse.Namespace) -> Simulator:
    tenant = Tenant(
        options.seed,
        alerts=options.alerts,
        history=timedelta(days=options.days),
        alerts_per_day=options.alerts_per_day,
        start=datetime.now(timezone.utc),
        running=True,
    )
    simulator = Simulator(
        tenant=tenant,
        page_size=options.page_size,
        calls_per_minute=options.calls_per_minute or None,
        calls_per_hour=options.calls_per_hour or None,
        host=options.host,
        port=options.port,
        imds_port=options.imds_port,
        names=options.name,
        state_folder=options.state,
        events=options.events,
        event_partitions=options.partitions,
    )
    simulator.entra.token_seconds = options.token_seconds
    if options.restless:
        simulator.after_page = simulator.stir
    return simulator


def _hub_lines(simulator: Simulator, *, events: bool) -> list[str]:
    if not events:
        return []
    state = simulator.exporter.state()
    return [f"  event hub                   {state['bootstrap_servers']}, hub {state['hub']!r}, no TLS"]


def _greeting(simulator: Simulator, credentials: dict[str, str], *, events: bool) -> str:
    """The text that a person needs to begin."""
    state = simulator.state()
    lines = [
        f"Simulated tenant {state['tenant_id']}: {state['alerts']} alerts in {state['versions']} versions.",
        "",
        f"  Entra ID, Defender, Graph   {state['url']}",
        f"  managed identity            AZURE_POD_IDENTITY_AUTHORITY_HOST={state['imds_url']}",
        f"  authority to trust          {state['ca_bundle']}",
        f"  client id                   {state['client_id']}",
        f"  client secret               {simulator.client_secret}",
        *_hub_lines(simulator, events=events),
        *(f"  {name.replace('_', ' '):<27} {path}" for name, path in credentials.items()),
        "",
        "Connections for Airflow:",
        "",
    ]
    for name, connection in simulator.connections().items():
        text = shlex.quote(json.dumps(connection))
        lines += [f"airflow connections add {name} --conn-json {text}", ""]
    lines += ["or, for the environment:", ""]
    for name, connection in simulator.connections().items():
        lines += [f"export AIRFLOW_CONN_{name.upper()}={shlex.quote(json.dumps(connection))}", ""]
    lines += [f"Control: curl --cacert {state['ca_bundle']} {state['url']}/_simulator", "Stop: Ctrl-C", ""]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM. Returns the exit status."""
    options = _parser().parse_args(arguments)
    stop = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stop.set())
    try:
        simulator = _simulator(options)
    except (OSError, ValueError) as error:
        taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        remedy = f" {options.host}:{options.port} is taken; --port 0 takes any free port." if taken else ""
        sys.stderr.write(f"The simulator cannot start: {str(error).rstrip('.')}.{remedy}\n")
        return 1
    with simulator:
        if options.events and options.events_per_minute > 0:
            simulator.exporter.send_for_ever(options.events_per_minute)
        credentials = simulator.write_credentials(options.state) if options.state else {}
        if not options.quiet:
            sys.stdout.write(_greeting(simulator, credentials, events=options.events))
            sys.stdout.flush()
        if options.ready_file:
            ready = {**simulator.ready(), "credentials": credentials, "pid": os.getpid()}
            write_whole(options.ready_file, json.dumps(ready, indent=2).encode(), mode=0o600)
        stop.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
