"""Connections made in the UI's form and tested by its button, in a headless browser (Chromium)."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_defender.provider_info import get_provider_info
from airflow_provider_defender.simulator import Simulator, Tenant
from airflow_provider_defender.simulator.demo.airflow import LocalAirflow
from tests.helpers.tools import need

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

_MILLISECONDS = 60_000
_NAMES = {each["connection-type"]: each["hook-name"] for each in get_provider_info()["connection-types"]}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    need(
        None if path else "no Chromium on the path; on Debian: apt-get install chromium",
        "tests of the connection form",
    )
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    tenant = Tenant(7, alerts=20, start=datetime.now(timezone.utc))
    with Simulator(tenant=tenant, events=True, event_partitions=2) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def airflow(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAirflow]:
    folder = tmp_path_factory.mktemp("airflow")
    (folder / "dags").mkdir()
    environment = {"AIRFLOW__CORE__TEST_CONNECTION": "Enabled"}
    with LocalAirflow(folder / "home", folder / "dags", environment) as airflow:
        meta = airflow._session.get(f"{_root(airflow)}/ui/connections/hook_meta", timeout=60).json()
        if not any(form["connection_type"] == "defender" and form["extra_fields"] for form in meta):
            pytest.skip("this Airflow (before 3.2) shows none of our fields in its form")
        yield airflow


@pytest.fixture
def page(browser: Browser, airflow: LocalAirflow) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1200, "height": 1600})
    page.set_default_timeout(_MILLISECONDS)
    page.goto(f"{_root(airflow)}/connections")
    yield page
    page.close()


def _root(airflow: LocalAirflow) -> str:
    return f"http://127.0.0.1:{airflow._port}"


class Form:
    """The dialog "Add Connection", filled in by the labels that people see."""

    def __init__(self, page: Page) -> None:
        self._page = page
        page.get_by_role("button", name="Add Connection").click()
        self._dialog = page.get_by_role("dialog").first

    def choose_type(self, name: str) -> None:
        box = self._dialog.get_by_role("combobox").first
        box.click()
        box.fill(name)
        self._page.get_by_role("option", name=name, exact=True).click()

    def fill(self, **fields: Any) -> None:
        """Fill in standard fields by their names in the form's HTML."""
        for name, value in fields.items():
            self._dialog.locator(f"[name={name}]").first.fill(str(value))

    def open(self, section: str) -> None:
        self._dialog.get_by_role("button", name=section, exact=True).click()

    def extra(self, label: str) -> Locator:
        """The input of an extra, by its label."""
        return self._dialog.locator("[data-part=root]", has_text=label).last.locator("input, textarea").first

    def choose(self, label: str, option: str) -> None:
        box = self.extra(label)
        # A forced click does not wait for the section that has just been opened to stand still.
        box.scroll_into_view_if_needed()
        box.click(force=True)
        self._page.get_by_role("option", name=option, exact=True).click()

    def save(self) -> None:
        self._dialog.get_by_role("button", name="Save").click()
        self._dialog.wait_for(state="hidden")


def press_test(page: Page, conn_id: str) -> tuple[int, dict[str, Any]]:
    """Press the button in the connection's row; status and body of Airflow's answer."""
    row = page.get_by_role("row").filter(has_text=conn_id)
    with page.expect_response(lambda response: response.url.endswith("/connections/test")) as answer:
        row.get_by_role("button", name="Test Connection").click()
    return answer.value.status, answer.value.json()


def fill_in(form: Form, conn_id: str, connection: dict[str, Any]) -> None:
    """Make a connection of the simulator in the form."""
    kind, extra = connection["conn_type"], connection["extra"]
    form.fill(connection_id=conn_id)
    form.choose_type(_NAMES[kind])
    form.fill(host=connection["host"], port=connection["port"])
    if kind == "event_hub":
        form.fill(schema=extra["event_hub"])
        form.open("Kafka")
        form.choose("Security protocol", extra["security_protocol"])
    else:
        form.fill(login=connection["login"], password=connection["password"])
        form.open("Tenant and cloud")
        form.extra("Tenant ID").fill(extra["tenant_id"])
        form.choose("Microsoft cloud", "Hosts of your own (custom)")
        form.open("Network")
        form.extra("CA bundle").fill(extra["ca_bundle"])
    form.save()


@pytest.mark.parametrize("kind", ["defender", "entra_id"])
def test_the_button_says_for_whom_the_token_is(kind: str, page: Page, simulator: Simulator) -> None:
    fill_in(Form(page), f"form_{kind}", simulator.connections()[f"{kind}_default"])
    status, answer = press_test(page, f"form_{kind}")
    assert (status, answer["status"]) == (200, True), answer
    message = answer["message"]
    assert f"in tenant {simulator.tenant_id} (custom cloud), valid until 20" in message
    assert "Roles granted: Alert.Read.All." in message
    assert ("Alerts by the Endpoint API: yes, the role Alert.Read.All is granted" in message) == (
        kind == "defender"
    )
    page.get_by_text(message).first.wait_for()  # the user sees it, too


def test_the_button_lists_the_partitions_of_a_hub(page: Page, simulator: Simulator) -> None:
    fill_in(Form(page), "form_event_hub", simulator.connections()["event_hub_default"])
    status, answer = press_test(page, "form_event_hub")
    assert (status, answer["status"]) == (200, True), answer
    assert f"Hub {simulator.exporter.hub} has 2 partitions" in answer["message"]
    page.get_by_text(answer["message"]).first.wait_for()


@pytest.mark.parametrize("change", ["wrong", "swapped"])
def test_the_button_says_what_is_wrong_without_the_secret(
    change: str, page: Page, simulator: Simulator
) -> None:
    good = simulator.connections()["defender_default"]
    wrong = {"password": "not-the-secret-of-this-application"}
    swapped = {"login": good["password"], "password": good["login"]}
    fill_in(Form(page), f"form_{change}", {**good, **(wrong if change == "wrong" else swapped)})
    status, answer = press_test(page, f"form_{change}")
    assert (status, answer["status"]) == (200, False), answer
    text = {"wrong": "the client secret is wrong", "swapped": "login and password have changed places"}
    assert text[change] in answer["message"]
    assert good["password"] not in answer["message"]
    assert wrong["password"] not in answer["message"]
    page.get_by_text(answer["message"]).first.wait_for()


def test_a_missing_tenant_shows_in_its_section(page: Page) -> None:
    form = Form(page)
    form.fill(connection_id="form_empty")
    form.choose_type(_NAMES["defender"])
    save = page.get_by_role("dialog").first.get_by_role("button", name="Save")
    assert save.is_disabled()
    form.open("Tenant and cloud")
    form.extra("Tenant ID").fill("72f988bf-86f1-41af-91ab-2d7cd011db47")
    assert save.is_enabled()


@pytest.mark.parametrize("kind", list(_NAMES))
def test_the_form_has_a_section_for_each_decision(kind: str, page: Page) -> None:
    form = Form(page)
    form.choose_type(_NAMES[kind])
    headings = page.get_by_role("dialog").first.locator("[data-part=item-trigger]").all_inner_texts()
    first = {"event_hub": ["Sign-in"]}.get(kind, ["Tenant and cloud", "Sign-in"])
    last = {"defender": ["Quota"], "event_hub": ["Kafka"]}.get(kind, [])
    middle = ["Sign-in: certificate", "Sign-in: workload identity", "Network"]
    assert headings == ["Standard Fields", *first, *middle, *last, "Extra Fields JSON"]
