"""Take the documentation's screenshots of Airflow's UI: the demo's tenant and Airflow, in headless Chromium.

    .venv/bin/uv pip install playwright pillow
    .venv/bin/python docs/screenshots.py [CHROMIUM]

CHROMIUM is the browser's program, `/usr/bin/chromium` by default.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from airflow_provider_defender.simulator.demo import run as demo
from airflow_provider_defender.simulator.demo.airflow import LocalAirflow

FOLDER = Path(__file__).parent / "_static"
SIZE = {"width": 1180, "height": 700}
COLOURS = 96


def land(airflow: LocalAirflow, tenant: demo._Tenant) -> None:
    """Two runs of each DAG: on schedule, then by hand after two hours."""
    tenant.send_events(400)
    for dag in ("defender_alerts", "defender_events"):
        airflow.unpause(dag)
        airflow.wait_for_runs(dag, "scheduled", 1)
    tenant.advance(timedelta(hours=2))
    tenant.send_events(300)
    for dag in ("defender_alerts", "defender_events"):
        airflow.trigger(dag)
        airflow.wait_for_runs(dag, "manual", 1)


def take(page: Page, name: str) -> None:
    """Save what the page shows as a PNG of few colours."""
    page.mouse.move(0, 0)
    page.wait_for_timeout(1500)  # the UI draws its charts in steps
    image = Image.open(BytesIO(page.screenshot())).convert("RGB")
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(FOLDER / name, optimize=True)
    sys.stdout.write(f"{name}: {(FOLDER / name).stat().st_size / 1000:.0f} kB\n")


def show_runs(page: Page, airflow: LocalAirflow) -> None:
    """The alerts DAG with its runs."""
    page.goto(f"{airflow.url}/dags/defender_alerts")
    page.get_by_text("land_alerts").first.wait_for()
    take(page, "dag_page.png")


def show_forms(page: Page, airflow: LocalAirflow) -> None:
    """The form of *Trigger*: for one run, and for a backfill."""
    page.goto(f"{airflow.url}/dags/defender_alerts")
    page.get_by_role("button", name=re.compile("Trigger")).first.click()
    page.get_by_text("Start of the window (UTC)").wait_for()
    take(page, "trigger_form.png")
    page.get_by_text("Backfill", exact=True).last.click()
    page.get_by_text("Date Range").wait_for()
    take(page, "backfill_form.png")


def show_asset(page: Page, airflow: LocalAirflow) -> None:
    """The asset of the alerts, with its events."""
    assets = airflow.request("GET", "/assets").json()["assets"]
    [number] = [asset["id"] for asset in assets if asset["uri"] == "defender://defender_default/alerts"]
    page.goto(f"{airflow.url}/assets/{number}")
    page.get_by_text("defender_alerts").first.wait_for()
    take(page, "asset_page.png")


def main(chromium: str = "/usr/bin/chromium") -> None:
    """Take all of them."""
    pictures: list[Callable[[Page, LocalAirflow], None]] = [show_runs, show_forms, show_asset]
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        demo._copy_dags(folder / "dags")
        with demo._Tenant(folder / "simulator") as tenant:
            environment = {**tenant.environment, "AIRFLOW_VAR_DEFENDER_LAKE": (folder / "lake").as_uri()}
            with LocalAirflow(folder / "airflow", folder / "dags", environment) as airflow:
                land(airflow, tenant)
                browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
                page = browser.new_page(viewport=SIZE, color_scheme="light")  # type: ignore[arg-type]
                for picture in pictures:
                    picture(page, airflow)
                browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
