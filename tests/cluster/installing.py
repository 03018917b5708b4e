"""The aggregator's account, with exactly the rights that its settings need, or less."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, TypeAlias

from goodput_exporter.config.places import load
from goodput_exporter.services.rbac import Rule, cluster_rules, own_rules
from tests.cluster.api import Api, Json
from tests.cluster.scenes import account

HOME: Final = "default"
"""The namespace that the aggregator is installed into."""
GROUP: Final = "rbac.authorization.k8s.io"
Right: TypeAlias = tuple[str, str, str]
"""A verb on a resource of a group: ``("create", "leases", "coordination.k8s.io")``."""


def rules(settings: Mapping[str, str]) -> tuple[list[Rule], list[Rule]]:
    """Return the generated rules: everywhere, and in the own namespace."""
    environ = {f"GOODPUT_EXPORTER_{name}": text for name, text in settings.items()}
    loaded = load(environ=environ)
    return cluster_rules(loaded), own_rules(loaded)


def rights(found: Iterable[Rule]) -> Iterator[Right]:
    """Yield every single right of some rules."""
    for rule in found:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                yield from ((verb, resource, group) for verb in rule["verbs"])


def less(found: Iterable[Rule], right: Right | None) -> list[Rule]:
    """Return rules without one right."""
    if right is None:
        return list(found)
    verb, resource, group = right
    rest: list[Rule] = []
    for rule in found:
        if rule["apiGroups"] != [group] or resource not in rule["resources"]:
            rest.append(rule)
            continue
        others = [one for one in rule["resources"] if one != resource]
        verbs = [one for one in rule["verbs"] if one != verb]
        rest += [{**rule, "resources": others}] if others else []
        rest += [{**rule, "resources": [resource], "verbs": verbs}] if verbs else []
    return rest


def install(
    api: Api,
    folder: Path,
    settings: Mapping[str, str],
    *,
    name: str = "aggregator",
    without: Right | None = None,
) -> Path:
    """
    Give the aggregator's account the roles that its settings need; no other.

    Args:
        api: As a person who may.
        folder: Of the token.
        settings: By the name behind ``GOODPUT_EXPORTER_``.
        name: The account's and its roles'.
        without: A right to leave out.

    Returns:
        The file with the account's token.
    """
    everywhere, here = rules(settings)
    made = account(api, name, less(everywhere, without))
    named = {"metadata": {"name": name, "namespace": HOME}}
    api.apply({"kind": "Role", **named, "rules": less(here, without)})
    bound = [{"kind": "ServiceAccount", "name": name, "namespace": HOME}]
    role = {"apiGroup": GROUP, "kind": "Role", "name": name}
    api.apply({"kind": "RoleBinding", **named, "roleRef": role, "subjects": bound})
    path = folder / f"{name}.token"
    path.write_text(api.token_of(made), encoding="ascii")
    return path


def pod(api: Api, name: str, **spec: object) -> Json:
    """Make a pod that asks for no GPU; return it."""
    wanted = {"containers": [{"name": "c", "image": "c:1"}], **spec}
    meta = {"name": name, "namespace": HOME}
    return api.apply({"kind": "Pod", "metadata": meta, "spec": wanted})


def projected(
    api: Api, folder: Path, account: str, holder: Json, audience: str
) -> Path:
    """Return the token that the kubelet would project into a pod of an account."""
    meta = holder["metadata"]
    reference = {"apiVersion": "v1", "kind": "Pod"}
    reference |= {"name": meta["name"], "uid": meta["uid"]}
    spec = {
        "audiences": [audience],
        "expirationSeconds": 3600,
        "boundObjectRef": reference,
    }
    answer = api.ask(
        "POST",
        f"api/v1/namespaces/{HOME}/serviceaccounts/{account}/token",
        {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": spec,
        },
    )
    path = folder / f"{meta['name']}.token"
    path.write_text(answer["status"]["token"], encoding="ascii")
    return path
