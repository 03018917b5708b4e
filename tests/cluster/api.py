"""The API server as a person with kubectl has it: objects in, objects out."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import urlencode

import urllib3

from tests.cluster.services import wait_for

Json: TypeAlias = dict[str, Any]

PATIENCE_S: Final = 60.0
NOT_FOUND: Final = 404

PLACES: Final = {
    "Namespace": ("api/v1", "namespaces", False),
    "Node": ("api/v1", "nodes", False),
    "Pod": ("api/v1", "pods", True),
    "Secret": ("api/v1", "secrets", True),
    "Service": ("api/v1", "services", True),
    "ServiceAccount": ("api/v1", "serviceaccounts", True),
    "Job": ("apis/batch/v1", "jobs", True),
    "JobSet": ("apis/jobset.x-k8s.io/v1alpha2", "jobsets", True),
    "ClusterQueue": ("apis/kueue.x-k8s.io/v1beta2", "clusterqueues", False),
    "LocalQueue": ("apis/kueue.x-k8s.io/v1beta2", "localqueues", True),
    "ResourceFlavor": ("apis/kueue.x-k8s.io/v1beta2", "resourceflavors", False),
    "WorkloadPriorityClass": (
        "apis/kueue.x-k8s.io/v1beta2",
        "workloadpriorityclasses",
        False,
    ),
    "PriorityClass": ("apis/scheduling.k8s.io/v1", "priorityclasses", False),
    "Role": ("apis/rbac.authorization.k8s.io/v1", "roles", True),
    "RoleBinding": ("apis/rbac.authorization.k8s.io/v1", "rolebindings", True),
    "Lease": ("apis/coordination.k8s.io/v1", "leases", True),
    "ClusterRole": ("apis/rbac.authorization.k8s.io/v1", "clusterroles", False),
    "ClusterRoleBinding": (
        "apis/rbac.authorization.k8s.io/v1",
        "clusterrolebindings",
        False,
    ),
    "MutatingWebhookConfiguration": (
        "apis/admissionregistration.k8s.io/v1",
        "mutatingwebhookconfigurations",
        False,
    ),
    "ValidatingWebhookConfiguration": (
        "apis/admissionregistration.k8s.io/v1",
        "validatingwebhookconfigurations",
        False,
    ),
    "CustomResourceDefinition": (
        "apis/apiextensions.k8s.io/v1",
        "customresourcedefinitions",
        False,
    ),
}
"""Where the kinds of the stories are: group and version, plural, in a namespace."""


class RefusedError(AssertionError):
    """
    The API server said no.

    Args:
        status: The HTTP status.
        said: Its words.
    """

    def __init__(self, status: int, said: str) -> None:
        super().__init__(f"HTTP {status}: {said}")
        self.status = status


class Api:
    """
    Requests as one user.

    Args:
        url: The server's address.
        ca_file: Whom to believe.
        token: Who asks.
    """

    def __init__(self, url: str, ca_file: Path, token: str) -> None:
        self._url = url
        self._pool = urllib3.PoolManager(ca_certs=str(ca_file))
        self._headers = {"Authorization": f"Bearer {token}"}

    def answers(self, path: str) -> bool:
        """Tell whether the server says OK at a path."""
        try:
            answer = self._pool.request(
                "GET",
                f"{self._url}/{path}",
                headers=self._headers,
                retries=False,
                timeout=2.0,
            )
        except urllib3.exceptions.HTTPError:
            return False
        return answer.status == 200

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        content: str = "application/json",
    ) -> Json:
        """
        Make one request.

        Raises:
            RefusedError: The server refused it.
        """
        answer = self._pool.request(
            method,
            f"{self._url}/{path}",
            headers={**self._headers, "Content-Type": content},
            body=None if body is None else json.dumps(body),
            retries=False,
            timeout=20.0,
        )
        if answer.status >= 300:
            raise RefusedError(answer.status, answer.data.decode()[:2000])
        found: Json = json.loads(answer.data)
        return found

    def discovered(self, group: str) -> set[str]:
        """
        Return the plurals of a group's kinds, as clients discover them.

        What can be listed already may not be discovered yet, and the other way round.
        """
        how = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
        answer = self._pool.request(
            "GET",
            f"{self._url}/apis",
            headers={**self._headers, "Accept": how},
            retries=False,
            timeout=20.0,
        )
        return {
            resource["resource"]
            for found in json.loads(answer.data)["items"]
            if found["metadata"]["name"] == group
            for version in found["versions"]
            for resource in version.get("resources", ())
        }

    def apply(self, wanted: Json) -> Json:
        """Make an object, or change it into what is wanted."""
        meta = wanted["metadata"]
        path = place_of(wanted["kind"], meta.get("namespace"), meta["name"])
        query = urlencode({"fieldManager": "story", "force": "true"})
        group = PLACES[wanted["kind"]][0]
        version = group.removeprefix("api/").removeprefix("apis/")
        return self.ask(
            "PATCH",
            f"{path}?{query}",
            {"apiVersion": version, **wanted},
            "application/apply-patch+yaml",
        )

    def get(self, kind: str, namespace: str | None, name: str) -> Json | None:
        """Return an object; None where there is none."""
        try:
            return self.ask("GET", place_of(kind, namespace, name))
        except RefusedError as error:
            if error.status == NOT_FOUND:
                return None
            raise

    def list(self, kind: str, namespace: str | None = None) -> list[Json]:
        """Return all objects of a kind."""
        found: list[Json] = self.ask("GET", place_of(kind, namespace))["items"]
        return found

    def patch(
        self, kind: str, namespace: str | None, name: str, change: object
    ) -> Json:
        """Merge a change into an object; a list is a JSON patch."""
        how = "json-patch" if isinstance(change, list) else "merge-patch"
        path = place_of(kind, namespace, name)
        return self.ask("PATCH", path, change, f"application/{how}+json")

    def delete(
        self, kind: str, namespace: str | None, name: str, grace_s: int | None = None
    ) -> None:
        """Delete an object and, after it, what it owns; nothing where it is gone."""
        options: Json = {"propagationPolicy": "Background"}
        if grace_s is not None:
            options["gracePeriodSeconds"] = grace_s
        try:
            self.ask("DELETE", place_of(kind, namespace, name), options)
        except RefusedError as error:
            if error.status != NOT_FOUND:
                raise

    def evict(self, namespace: str, pod: str) -> None:
        """Ask for a pod's place, as a drain does."""
        wanted = {"metadata": {"name": pod, "namespace": namespace}}
        path = f"{place_of('Pod', namespace, pod)}/eviction"
        self.ask(
            "POST", path, {"apiVersion": "policy/v1", "kind": "Eviction", **wanted}
        )

    def token_of(self, account: Json, *, secret: Json | None = None) -> str:
        """Return a token of a service account; it dies with *secret*, if that does."""
        spec: Json = {"expirationSeconds": 3600}
        if secret is not None:
            uid, name = secret["metadata"]["uid"], secret["metadata"]["name"]
            spec["boundObjectRef"] = {
                "apiVersion": "v1",
                "kind": "Secret",
                "name": name,
                "uid": uid,
            }
        meta = account["metadata"]
        path = place_of("ServiceAccount", meta["namespace"], meta["name"])
        wanted = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}
        answer = self.ask("POST", f"{path}/token", {**wanted, "spec": spec})
        token: str = answer["status"]["token"]
        return token

    def wait(
        self,
        kind: str,
        namespace: str | None,
        name: str,
        holds: Callable[[Json], bool],
        seconds: float = PATIENCE_S,
    ) -> Json:
        """Return an object as soon as something holds of it."""

        def look() -> Json | None:
            found = self.get(kind, namespace, name)
            return found if found is not None and holds(found) else None

        began = time.monotonic()
        try:
            return wait_for(look, seconds, f"{kind} {name}")
        except AssertionError as error:
            waited_s = time.monotonic() - began
            msg = f"{error} ({waited_s:.0f} s): {self.get(kind, namespace, name)}"
            raise AssertionError(msg) from None


def place_of(kind: str, namespace: str | None = None, name: str = "") -> str:
    """Return the path of an object, or of a kind's objects."""
    group, plural, is_namespaced = PLACES[kind]
    within = f"/namespaces/{namespace}" if is_namespaced and namespace else ""
    return f"{group}{within}/{plural}" + (f"/{name}" if name else "")
