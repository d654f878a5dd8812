"""A tripwire: the types of Graph that the mapping was made for are those of Microsoft's newest SDK.

`make msgraph-sdk` fetches its wheel. Where this fails, something is new in Graph: add it to the simulator's
`graph/types.json` and to the columns in `graph_security.json`, and map it. Until then it lands in `unmapped`,
and nothing is lost.
"""

from __future__ import annotations

import copy
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import parse_wheel_filename

from airflow_provider_defender.ecs import ListOf, Shape
from airflow_provider_defender.ecs.tables.graph.evidence import EVIDENCE
from airflow_provider_defender.ecs.tables.graph.incidents import GRAPH_INCIDENTS
from airflow_provider_defender.ecs.tables.graph.shape import EVIDENCE_TYPES, alert_shape
from tests.helpers.tools import need

from .graph_sdk import GraphTypes, differences, read_wheel

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".msgraph-sdk"
TYPES = ROOT / "airflow_provider_defender/simulator/graph/types.json"
SIMPLE = {
    "Boolean": "boolean",
    "DateTimeOffset": "time",
    "Double": "double",
    "Guid": "guid",
    "Int32": "int",
    "Int64": "int",
    "String": "string",
}


def our_types() -> GraphTypes:
    data: dict[str, Any] = json.loads(TYPES.read_text())
    return GraphTypes(
        with_kinds(data["evidence"]), with_kinds({**data["records"], **data["values"]}), data["enumerations"]
    )


def with_kinds(types: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    """The types with each property's kind, as `GraphTypes` names it."""
    return {
        name: {each: kind_of(text) for each, text in properties.items()} for name, properties in types.items()
    }


def kind_of(text: str) -> str:
    inner = text.removeprefix("Collection(").removesuffix(")")
    return SIMPLE.get(text, text) if inner == text else f"[{SIMPLE.get(inner, inner)}]"


def newest_wheel() -> Path | None:
    wheels = FOLDER.glob("msgraph_sdk-*.whl")
    return max(wheels, key=lambda path: parse_wheel_filename(path.name)[1], default=None)


@pytest.mark.integration
def test_the_newest_sdk_knows_nothing_that_we_do_not() -> None:
    wheel = newest_wheel()
    need(
        None if wheel else "msgraph-sdk is not there: `make msgraph-sdk` fetches it into .msgraph-sdk",
        "comparison with Microsoft's SDK",
    )
    assert wheel is not None
    found = differences(our_types(), read_wheel(wheel))
    assert not found, "\n".join([f"{wheel.name} differs from {TYPES.name}:", *sorted(found)])


MODEL = """
from __future__ import annotations
{imports}
class {name}({bases}):
    def get_field_deserializers(self):
        fields: dict[str, Callable[[Any], None]] = {{
{readers}
        }}
        return fields
"""


def model(name: str, bases: str, imports: str = "", **readers: str) -> str:
    readers["@odata.type"] = "str_value()"
    line = '            "{}": lambda n : setattr(self, "x", n.get_{}),'
    lines = [line.format(*each) for each in readers.items()]
    return MODEL.format(name=name, bases=bases, imports=imports, readers="\n".join(lines))


SDK = {
    "incident": model("Incident", "Entity", alerts="collection_of_object_values(Alert)"),
    "alert": model(
        "Alert",
        "Entity, Parsable",
        "from ..entity import Entity\nfrom .alert_evidence import AlertEvidence",
        createdDateTime="datetime_value()",
        categories="collection_of_primitive_values(str)",
        evidence="collection_of_object_values(AlertEvidence)",
    ),
    "alert_evidence": model(
        "AlertEvidence",
        "Parsable",
        "if TYPE_CHECKING:\n    from .io_t_evidence import IoTEvidence\n    from .role import Role",
        roles="collection_of_enum_values(Role)",
    ),
    "io_t_evidence": model(
        "IoTEvidence",
        "AlertEvidence, Parsable",
        "from .alert_evidence import AlertEvidence\nfrom .nic import Nic",
        nics="collection_of_object_values(Nic)",
        size="int_value()",
        isScanner="bool_value()",
        tenantId="uuid_value()",
        latitude="float_value()",
    ),
    "nic": model("Nic", "AdditionalDataHolder", mac="str_value()"),
    "role": 'class Role(str, Enum):\n    Source = "source",\n    Target = "target"\n',
    "unrelated": "this is no Python",
}


def wheel_of(path: Path, models: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in models.items():
            archive.writestr(f"msgraph/generated/models/security/{name}.py", text)
    return path


def test_types_are_read_as_the_metadata_names_them(tmp_path: Path) -> None:
    assert read_wheel(wheel_of(tmp_path / "sdk.whl", SDK)) == GraphTypes(
        evidence={
            "alertEvidence": {"roles": "[role]"},
            "ioTEvidence": {
                "nics": "[nic]",
                "size": "int",
                "isScanner": "boolean",
                "tenantId": "guid",
                "latitude": "double",
            },
        },
        other={
            "incident": {"alerts": "[alert]"},
            "alert": {"createdDateTime": "time", "categories": "[string]", "evidence": "[alertEvidence]"},
            "nic": {"mac": "string"},
        },
        enums={"role": ["source", "target"]},
    )


def test_a_wheel_without_these_models_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no evidence types or enums in .*sdk\.whl: have its models moved"):
        read_wheel(wheel_of(tmp_path / "sdk.whl", {"unrelated": ""}))


def test_what_is_new_is_named() -> None:
    theirs = our_types()
    ours = copy.deepcopy(theirs)
    assert differences(ours, theirs) == []
    del ours.evidence["urlEvidence"]
    del ours.evidence["userEvidence"]["stream"]
    del ours.other["stream"]
    ours.other["userAccount"]["displayName"] = "int"
    ours.enums["incidentStatus"].remove("awaitingAction")
    del ours.enums["protocolType"]
    assert sorted(differences(ours, theirs)) == [
        "new enum protocolType: tcp, udp, unknownFutureValue",
        "new evidence type urlEvidence: url:string",
        "new member incidentStatus.awaitingAction",
        "new property userEvidence.stream:stream",
        "new type stream: name:string",
        "property userAccount.displayName was int and is string",
    ]
    assert "evidence type urlEvidence is gone" in differences(theirs, ours)
    assert "property userEvidence.stream is gone" in differences(theirs, ours)
    assert "member incidentStatus.awaitingAction is gone" in differences(theirs, ours)


def test_names_are_compared_without_regard_to_the_case_of_classes() -> None:
    one = GraphTypes(evidence={"ioTDeviceEvidence": {"ioTHub": "azureResourceEvidence"}})
    other = GraphTypes(evidence={"iotDeviceEvidence": {"ioTHub": "AzureResourceEvidence"}})
    assert differences(one, other) == []


def test_the_mapping_knows_these_types_and_properties() -> None:
    """So that what is added to the one place is not forgotten in the others."""
    ours = our_types()
    base = {"alertEvidence"}
    assert set(EVIDENCE_TYPES) | base == set(EVIDENCE) | base == set(ours.evidence) | base
    assert missing_columns(ours.other["alert"], alert_shape()) == []
    item = alert_shape().properties["evidence"]
    assert isinstance(item, ListOf)
    assert isinstance(item.item, Shape)
    for name, properties in ours.evidence.items():
        assert missing_columns(properties, item.item) == [], name
    assert missing_columns(ours.other["incident"], GRAPH_INCIDENTS.shape) == []


def missing_columns(properties: dict[str, str], shape: Shape) -> list[str]:
    return [name for name in properties if name.lower() not in shape.by_lower_case]
