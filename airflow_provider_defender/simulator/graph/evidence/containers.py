"""Containers and what Kubernetes makes of them."""

from __future__ import annotations

from typing import Any

from airflow_provider_defender.simulator.graph.cast import Cast
from airflow_provider_defender.simulator.graph.evidence.base import Evidence, Maker, inner
from airflow_provider_defender.simulator.graph.evidence.cloud import azure
from airflow_provider_defender.simulator.graph.evidence.network import ip

__all__ = ["CONTAINERS"]

_LABELS = {"app": "web", "app.kubernetes.io/part-of": "shop", "pod-template-hash": "5d4f8c7b9"}


def _registry(cast: Cast) -> dict[str, Any]:
    return {"registry": cast.company.registry}


def _plain_image(cast: Cast, image_id: str) -> dict[str, Any]:
    registry = inner("containerRegistryEvidence", cast, _registry(cast))
    return {"imageId": image_id, "registry": registry, "digestImage": None}


def _image(cast: Cast) -> dict[str, Any]:
    name = f"{cast.company.registry}/shop/web"
    digest = _plain_image(cast, f"{name}@sha256:{cast.hexadecimal('image', 64)}")
    return {
        **_plain_image(cast, f"{name}:1.24"),
        "digestImage": inner("containerImageEvidence", cast, digest),
    }


def _container_alone(cast: Cast, name: str) -> dict[str, Any]:
    return {
        "containerId": cast.hexadecimal(f"container {name}", 64),
        "name": name,
        "image": inner("containerImageEvidence", cast, _image(cast)),
        "args": ["-o", "pool.example:3333"],
        "command": ["/bin/sh", "-c", "/opt/.x/xmrig"],
        "isPrivileged": True,
        "pod": None,
    }


def _container(cast: Cast) -> dict[str, Any]:
    return {**_container_alone(cast, "web"), "pod": inner("kubernetesPodEvidence", cast, _pod_alone(cast))}


def _cluster(cast: Cast) -> dict[str, Any]:
    name = cast.company.cluster
    return {
        "name": name,
        "cloudResource": azure(cast, "Microsoft.ContainerService/managedClusters", name),
        "distribution": "AKS",
        "platform": "aks",
        "version": "1.34.1",
    }


def _namespace(cast: Cast) -> dict[str, Any]:
    return {
        "name": "shop",
        "cluster": inner("kubernetesClusterEvidence", cast, _cluster(cast)),
        "labels": {"kubernetes.io/metadata.name": "shop"},
    }


def _in_namespace(cast: Cast) -> Evidence:
    return inner("kubernetesNamespaceEvidence", cast, _namespace(cast))


def _controller(cast: Cast) -> dict[str, Any]:
    return {"name": "web", "type": "Deployment", "namespace": _in_namespace(cast), "labels": dict(_LABELS)}


def _service_account(cast: Cast) -> dict[str, Any]:
    return {"name": "web-runner", "namespace": _in_namespace(cast)}


def _pod_alone(cast: Cast) -> dict[str, Any]:
    return {
        "name": f"web-5d4f8c7b9-{cast.hexadecimal('pod', 5)}",
        "namespace": _in_namespace(cast),
        "controller": inner("kubernetesControllerEvidence", cast, _controller(cast)),
        "serviceAccount": inner("kubernetesServiceAccountEvidence", cast, _service_account(cast)),
        "podIp": inner("ipEvidence", cast, ip(cast, f"10.244.1.{cast.number('pod address', 254)}")),
        "labels": dict(_LABELS),
        "containers": [],
        "initContainers": [],
        "ephemeralContainers": [],
    }


def _pod(cast: Cast) -> dict[str, Any]:
    def running(name: str) -> list[Evidence]:
        return [inner("containerEvidence", cast, _container_alone(cast, name))]

    return {
        **_pod_alone(cast),
        "containers": running("web"),
        "initContainers": running("init-db"),
        "ephemeralContainers": running("debugger-x7k2p"),
    }


def _secret(cast: Cast) -> dict[str, Any]:
    return {"name": "db-credentials", "secretType": "Opaque", "namespace": _in_namespace(cast)}


def _service(cast: Cast) -> dict[str, Any]:
    return {
        "name": "web",
        "namespace": _in_namespace(cast),
        "clusterIP": inner("ipEvidence", cast, ip(cast, "10.96.12.7")),
        "externalIPs": [inner("ipEvidence", cast, ip(cast, "203.0.113.80"))],
        "labels": {"app": "web"},
        "selector": {"app": "web"},
        "servicePorts": [
            {
                "name": "https",
                "appProtocol": "https",
                "protocol": "tcp",
                "port": 443,
                "targetPort": "8443",
                "nodePort": 30_443,
            }
        ],
        "serviceType": "loadBalancer",
    }


CONTAINERS: dict[str, Maker] = {
    "containerEvidence": _container,
    "containerImageEvidence": _image,
    "containerRegistryEvidence": _registry,
    "kubernetesClusterEvidence": _cluster,
    "kubernetesControllerEvidence": _controller,
    "kubernetesNamespaceEvidence": _namespace,
    "kubernetesPodEvidence": _pod,
    "kubernetesSecretEvidence": _secret,
    "kubernetesServiceAccountEvidence": _service_account,
    "kubernetesServiceEvidence": _service,
}
