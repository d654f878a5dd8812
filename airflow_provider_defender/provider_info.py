"""What Airflow is told about this package. A leaf module: it imports nothing, as discovery runs early."""

from __future__ import annotations

from typing import Any

_NULLABLE_TEXT = ["string", "null"]
_CLOUDS = ["public", "gcc", "gcc_high", "dod", "china", "custom"]


def _text(label: str, description: str, **schema: Any) -> dict[str, Any]:
    return {"label": label, "description": description, "schema": {"type": _NULLABLE_TEXT, **schema}}


def _credential_fields(**instead: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The fields that both connection types share, and those that can stand `instead` of a credential.

    The hooks' docstrings say what each does.
    """
    return {
        "tenant_id": {
            "label": "Tenant ID",
            "description": "Directory (tenant) ID of the Entra ID tenant: a GUID. Always needed.",
            "schema": {"type": "string"},
        },
        "cloud": _text(
            "Microsoft cloud",
            "Decides the login host and the API host. custom: both are the host above.",
            default="public",
            enum=_CLOUDS,
        ),
        "credential": _text(
            "Credential",
            "How the application proves who it is.",
            default="client_secret",
            enum=["client_secret", "certificate", "managed_identity", "workload_identity"],
        ),
        **instead,
        "private_key": _text(
            "Private key (PEM)",
            "For credential certificate: the key as PEM text, with its line breaks; or give a file.",
            format="password",
        ),
        "private_key_path": _text(
            "Private key file",
            "For credential certificate: path of a PEM or PFX file on the worker, instead of the text.",
        ),
        "private_key_passphrase": _text(
            "Private key passphrase",
            "For credential certificate: passphrase of the key or the PFX file.",
            format="password",
        ),
        "certificate": _text(
            "Certificate (PEM)",
            "For credential certificate: the public certificate, PEM text.",
            format="multiline",
        ),
        "thumbprint": _text(
            "Certificate thumbprint",
            "For credential certificate: SHA-1 thumbprint in hexadecimal, if no certificate is given.",
        ),
        "send_certificate_chain": {
            "label": "Send certificate chain (SN/I)",
            "description": "For credential certificate: send x5c (subject name and issuer authentication).",
            "schema": {"type": ["boolean", "null"], "default": False},
        },
        "federated_token_file": _text(
            "Federated token file",
            "For credential workload_identity: path of the token file; empty: AZURE_FEDERATED_TOKEN_FILE.",
        ),
        "ca_bundle": _text(
            "CA bundle", "Path of a PEM file of trusted authorities, for a proxy that inspects TLS."
        ),
        "proxy": _text("Proxy", "Address of an HTTPS proxy; empty: the environment's HTTPS_PROXY."),
        "connect_timeout": _number("Connect timeout", "Seconds to wait for a connection.", 10),
        "read_timeout": _number("Read timeout", "Seconds to wait for the next bytes of an answer.", 60),
    }


def _event_hub_fields() -> dict[str, dict[str, Any]]:
    """The fields of an event hub's connection: its own first, then those for a credential of Entra ID."""
    shared = _credential_fields(
        entra_id_conn_id=_text(
            "Entra ID connection", "Take the credential from this connection instead of the fields around."
        )
    )
    kinds = ["connection_string", "client_secret", "certificate", "managed_identity", "workload_identity"]
    return {
        "event_hub": _text("Event hub", "The hub's name; empty: the connection string's EntityPath."),
        **shared,
        "tenant_id": _text(
            "Tenant ID", "For Entra ID only: Directory (tenant) ID of the Entra ID tenant, a GUID."
        ),
        "cloud": _text(
            "Microsoft cloud",
            "For Entra ID only: decides the login host. custom: that of the Entra ID connection.",
            default="public",
            enum=_CLOUDS,
        ),
        "credential": _text(
            "Credential",
            "What the password above is, or how else the application proves who it is to Entra ID.",
            default="connection_string",
            enum=kinds,
        ),
        "scope": _text("Token scope", "For the custom cloud: the token's scope, ending in /.default."),
        "security_protocol": _text(
            "Security protocol",
            "Event Hubs: SASL_SSL. The others are for a Kafka of your own.",
            default="SASL_SSL",
            enum=["SASL_SSL", "SASL_PLAINTEXT", "SSL", "PLAINTEXT"],
        ),
        "kafka_config": _text(
            "Kafka settings", "Any settings of librdkafka, as a JSON object. No secrets here.", format="json"
        ),
    }


def _number(label: str, description: str, default: int) -> dict[str, Any]:
    return {
        "label": label,
        "description": description,
        "schema": {"type": ["integer", "null"], "default": default, "minimum": 1},
    }


def get_provider_info() -> dict[str, Any]:
    """Return the provider's description.

    Its schema is Airflow's `provider_info.schema.json`; the connection forms follow `conn-fields` and
    `ui-field-behaviour` of `provider.yaml.schema.json` (read by Airflow 3.2 and newer without importing the
    hooks; 3.1 shows the standard fields and takes the others as JSON).
    """
    return {
        "package-name": "airflow-provider-defender",
        "name": "Microsoft Defender",
        "description": "Microsoft Defender alerts and events as ECS Parquet in your own data lake.",
        "integrations": [
            {
                "integration-name": "Microsoft Defender",
                "external-doc-url": "https://learn.microsoft.com/en-us/defender-xdr/",
                "tags": ["azure"],
            }
        ],
        "operators": [
            {
                "integration-name": "Microsoft Defender",
                "python-modules": [
                    "airflow_provider_defender.operators.alerts",
                    "airflow_provider_defender.operators.event_hub",
                ],
            }
        ],
        "sensors": [
            {
                "integration-name": "Microsoft Defender",
                "python-modules": [
                    "airflow_provider_defender.sensors.alerts",
                    "airflow_provider_defender.sensors.event_hub",
                ],
            }
        ],
        "hooks": [
            {
                "integration-name": "Microsoft Defender",
                "python-modules": [
                    "airflow_provider_defender.hooks.entra_id",
                    "airflow_provider_defender.hooks.defender_endpoint",
                    "airflow_provider_defender.hooks.event_hub",
                ],
            }
        ],
        "config": {
            "defender": {
                "description": "Microsoft Defender.",
                "options": {
                    "trusted_hosts": {
                        "description": (
                            "Hosts outside Microsoft's clouds that may get a token of the worker's own "
                            "identity (managed or workload identity): host[:port], separated by commas."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "defender-proxy.example.com",
                        "default": "",
                    }
                },
            }
        },
        "connection-types": [
            {
                "connection-type": "defender",
                "hook-name": "Microsoft Defender",
                "hook-class-name": "airflow_provider_defender.hooks.defender_endpoint.DefenderEndpointHook",
                "conn-fields": {
                    **_credential_fields(
                        entra_id_conn_id=_text(
                            "Entra ID connection",
                            "Take the credential from this connection instead of the fields around.",
                        )
                    ),
                    "scope": _text(
                        "Token scope", "For the custom cloud: the token's scope, ending in /.default."
                    ),
                    "calls_per_minute": _number(
                        "Calls per minute", "Quota of the application in this tenant.", 100
                    ),
                    "calls_per_hour": _number(
                        "Calls per hour", "Quota of the application in this tenant.", 1500
                    ),
                },
                "ui-field-behaviour": {
                    "hidden-fields": ["port", "schema", "extra"],
                    "relabeling": {
                        "host": "API host",
                        "login": "Client ID",
                        "password": "Client secret",
                    },
                    "placeholders": {
                        "host": "host or host:port; empty: the cloud's, api.security.microsoft.com",
                        "login": "application (client) ID; the tenant ID is below, under Extra Fields",
                        "tenant_id": "00000000-0000-0000-0000-000000000000",
                    },
                },
            },
            {
                "connection-type": "event_hub",
                "hook-name": "Azure Event Hubs",
                "hook-class-name": "airflow_provider_defender.hooks.event_hub.EventHubHook",
                "conn-fields": _event_hub_fields(),
                "ui-field-behaviour": {
                    "hidden-fields": ["schema"],
                    "relabeling": {
                        "host": "Namespace",
                        "login": "Client ID",
                        "password": "Connection string or client secret",
                    },
                    "placeholders": {
                        "host": "contoso.servicebus.windows.net; empty: as the connection string says",
                        "port": "9093",
                        "login": "for Entra ID: application (client) ID",
                        "password": "Endpoint=sb://…;SharedAccessKeyName=…;SharedAccessKey=…",
                    },
                },
            },
            {
                "connection-type": "entra_id",
                "hook-name": "Microsoft Entra ID",
                "hook-class-name": "airflow_provider_defender.hooks.entra_id.EntraIdHook",
                "conn-fields": _credential_fields(),
                "ui-field-behaviour": {
                    "hidden-fields": ["port", "schema", "extra"],
                    "relabeling": {
                        "host": "Login host",
                        "login": "Client ID",
                        "password": "Client secret",
                    },
                    "placeholders": {
                        "host": "host or host:port; empty: the cloud's, login.microsoftonline.com",
                        "login": "application (client) ID; the tenant ID is below, under Extra Fields",
                        "tenant_id": "00000000-0000-0000-0000-000000000000",
                    },
                },
            },
        ],
    }
