"""Evidence of containers and Kubernetes: `container.*`, `orchestrator.*`, and the cluster's `cloud.*`."""

from __future__ import annotations

import re

from ...columns import host_name
from .alert import Alert, Fields, Item, roles_of
from .cloud_resources import resource_fields
from .parts import user_prefix
from .values import address, child, children, flag, text

__all__ = [
    "container",
    "container_image",
    "container_registry",
    "kubernetes_cluster",
    "kubernetes_controller",
    "kubernetes_namespace",
    "kubernetes_pod",
    "kubernetes_secret",
    "kubernetes_service",
    "kubernetes_service_account",
]


def container(item: Item, alert: Alert) -> Fields:
    """`containerEvidence`: the container, its image, and its pod as the resource that it is part of."""
    pod = child(item, "pod")
    return {**(_pod(pod) if pod else {}), **_container(item)}


_RUNTIME = re.compile(r"([a-z][a-z0-9-]*)://(.+)")


def _container(item: Item) -> Fields:
    """Kubernetes writes an id as `containerd://4a1f…`: runtime and id."""
    identifier = text(item, "containerId")
    match = _RUNTIME.fullmatch(identifier or "")
    return {
        **_image(child(item, "image")),
        "container.id": match[2] if match else identifier,
        "container.name": text(item, "name"),
        "container.runtime": match[1] if match else None,
        "container.security_context.privileged": flag(item, "isPrivileged"),
    }


def container_image(item: Item, alert: Alert) -> Fields:
    """`containerImageEvidence`: name, tag and digests of the image."""
    return _image(item)


_DIGEST = re.compile(r"(?:sha256:)?[0-9a-f]{64}", re.IGNORECASE)


def _image(image: Item) -> Fields:
    """An image's parts; `digestImage` is the same image by its digest."""
    name, tag, digest = _image_parts(text(image, "imageId"))
    other_name, _, other_digest = _image_parts(text(child(image, "digestImage"), "imageId"))
    known = [each for each in dict.fromkeys((digest, other_digest)) if each is not None]
    registries = (child(each, "registry") for each in (image, child(image, "digestImage")))
    return {
        "container.image.name": name or other_name,
        "container.image.tag": [tag] if tag else [],
        "container.image.hash.all": known,
        "related.hosts": [_registry_host(text(each, "registry")) for each in registries],
    }


def _image_parts(reference: str | None) -> tuple[str | None, str | None, str | None]:
    """Name, tag and digest of `registry/name:tag@digest`, each of which may be missing."""
    if reference is None:
        return None, None, None
    plain = reference.strip().rpartition("://")[2]
    if _DIGEST.fullmatch(plain):
        return None, None, plain.lower()
    name, _, digest = plain.partition("@")
    path, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        path, tag = name, ""
    return path or None, tag or None, digest.lower() if _DIGEST.fullmatch(digest) else None


def container_registry(item: Item, alert: Alert) -> Fields:
    """`containerRegistryEvidence`: the host that serves images."""
    registry = text(item, "registry")
    return {"entity.name": registry, "related.hosts": [_registry_host(registry)]}


def _registry_host(registry: str | None) -> str | None:
    """The host of `name.azurecr.io/path`, with or without a scheme and a port."""
    return host_name((registry or "").rpartition("://")[2].partition("/")[0].partition(":")[0])


def kubernetes_cluster(item: Item, alert: Alert) -> Fields:
    """`kubernetesClusterEvidence`: the cluster, and the cloud that runs it."""
    return {**_cluster(item), **_resource(item, "cluster")}


_CLOUDS = {"aks": "azure", "eks": "aws", "gke": "gcp"}
"""`kubernetesPlatform` → cloud; a cluster of Azure Arc runs anywhere."""


def _cluster(cluster: Item) -> Fields:
    if not cluster:
        return {"orchestrator.type": "kubernetes"}
    place = resource_fields(child(cluster, "cloudResource"))
    provider = _CLOUDS.get((text(cluster, "platform") or "").lower())
    fields = {name: value for name, value in place.items() if name.startswith("cloud.")}
    if not fields and provider is not None:
        fields["cloud.provider"] = provider
        if provider != "azure":
            fields["cloud.account.id"] = None  # not the tenant's
    fields["orchestrator.type"] = "kubernetes"
    fields["orchestrator.cluster.id"] = place.get("entity.id")
    fields["orchestrator.cluster.name"] = text(cluster, "name") or place.get("orchestrator.cluster.name")
    fields["orchestrator.cluster.version"] = text(cluster, "version")
    return fields


def kubernetes_namespace(item: Item, alert: Alert) -> Fields:
    """`kubernetesNamespaceEvidence`: the namespace, of its cluster."""
    return {**_namespace(item), **_resource(item, "namespace")}


def _namespace(namespace: Item) -> Fields:
    return {**_cluster(child(namespace, "cluster")), "orchestrator.namespace": text(namespace, "name")}


def kubernetes_controller(item: Item, alert: Alert) -> Fields:
    """`kubernetesControllerEvidence`: a deployment, daemon set, job …, as its `type` says."""
    return {**_namespace(child(item, "namespace")), **_resource(item, text(item, "type"))}


def kubernetes_pod(item: Item, alert: Alert) -> Fields:
    """`kubernetesPodEvidence`: the pod, and its container where it has only one."""
    found = [each for name in _CONTAINERS for each in children(item, name)]
    return {**_pod(item), **(_container(found[0]) if len(found) == 1 else _several(found))}


_CONTAINERS = ("containers", "initContainers", "ephemeralContainers")


def _several(found: list[Item]) -> Fields:
    """Of several containers, what they have in common."""
    images = [_image(child(each, "image")) for each in found]
    return {"related.hash": [digest for image in images for digest in image["container.image.hash.all"]]}


def _pod(pod: Item) -> Fields:
    """A pod with its controller's kind, its address, and the account that it runs as."""
    controller = child(pod, "controller")
    namespace = child(pod, "namespace") or child(controller, "namespace")
    account = text(child(pod, "serviceAccount"), "name")
    return {
        **_namespace(namespace),
        **_resource(pod, "pod", [child(pod, "podIp")]),
        "orchestrator.resource.parent.type": text(controller, "type"),
        "related.user": [account],
    }


def kubernetes_secret(item: Item, alert: Alert) -> Fields:
    """`kubernetesSecretEvidence`: which secret; its content is never sent."""
    return {**_namespace(child(item, "namespace")), **_resource(item, "secret")}


def kubernetes_service(item: Item, alert: Alert) -> Fields:
    """`kubernetesServiceEvidence`: the service, with its addresses inside and outside the cluster."""
    addresses = [child(item, "clusterIP"), *children(item, "externalIPs")]
    return {**_namespace(child(item, "namespace")), **_resource(item, "service", addresses)}


def kubernetes_service_account(item: Item, alert: Alert) -> Fields:
    """`kubernetesServiceAccountEvidence`: the resource, and the identity that a pod acts with."""
    return {
        **_namespace(child(item, "namespace")),
        **_resource(item, "serviceaccount"),
        f"{user_prefix(roles_of(item))}.name": text(item, "name"),
    }


def _resource(item: Item, kind: str | None, addresses: list[Item] | None = None) -> Fields:
    """`orchestrator.resource.*`; labels as `key:value`, as ECS writes them."""
    found = (address(text(each, "ipAddress")) for each in addresses or ())
    return {
        "orchestrator.resource.ip": [each for each in found if each is not None],
        "orchestrator.resource.label": _labels(child(item, "labels")),
        "orchestrator.resource.name": text(item, "name"),
        "orchestrator.resource.type": kind.lower() if kind is not None else None,
    }


def _labels(labels: Item) -> list[str]:
    names = [name for name in labels if "@odata." not in name]
    values = {name: "" if labels[name] == "" else text(labels, name) for name in names}
    return [f"{name}:{value}" for name, value in values.items() if value is not None]
