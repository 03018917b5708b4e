"""How many GPUs a pod asks for: the request that the scheduler reckons with."""

from __future__ import annotations

from typing import Any

import pytest

from goodput_exporter.sources.workloads.devices import Ask, Claim, asked_by, is_gpu
from tests.fakes.chains import final
from tests.fakes.cluster import Pod, Raw, Story, meta, ns


def container(restart: str = "", **limits: object) -> Raw:
    """Return a container with limits; underscores stand for dots and dashes."""
    named = {"gpu": "nvidia.com/gpu", "amd": "amd.com/gpu", "cpu": "cpu"}
    names = {**named, "mig": "nvidia.com/mig-1g.10gb"}
    found: Raw = {"resources": {"limits": {names[k]: v for k, v in limits.items()}}}
    return {**found, "restartPolicy": restart} if restart else found


@pytest.mark.parametrize(
    ("spec", "devices"),
    [
        ({"containers": [container(gpu="8", cpu="96")]}, 8),
        ({"containers": [container(gpu=4), container(amd="2")]}, 6),
        ({"containers": [container(mig="3")]}, 3),
        ({"containers": [container(cpu="8")]}, 0),
        ({"initContainers": [container(gpu=8)], "containers": [container(gpu=1)]}, 8),
        (
            {
                "initContainers": [container(gpu=2), container(gpu=3)],
                "containers": [container(gpu=1)],
            },
            3,
        ),
        (
            {
                "initContainers": [container("Always", gpu=1), container(gpu=3)],
                "containers": [container(gpu=2)],
            },
            4,
        ),
        ({"containers": [{"resources": {"requests": {"nvidia.com/gpu": "2"}}}]}, 2),
        ({"containers": [container(gpu="eight")]}, 0),
        ({"containers": [container(gpu=-1)]}, 0),
        ({"containers": [container(gpu=10**30)]}, 0),
        (None, 0),
    ],
)
def test_the_effective_request_counts(
    spec: dict[str, Any] | None, devices: int
) -> None:
    """Init containers run before the others, sidecars beside them."""
    assert asked_by(spec).devices == devices


@pytest.mark.parametrize("name", ["nvidia.com/gpu", "amd.com/gpu", "nvidia.com/mig-7g"])
def test_whole_gpus_and_instances_are_devices(name: str) -> None:
    """Whoever makes them."""
    assert is_gpu(name)
    assert not is_gpu(name + "-memory.not") or "mig" in name


def test_a_claim_is_sized_by_its_own_object() -> None:
    """It may come after the pod; before, nobody knows what it is for."""
    pod = Pod("p").bound(1)
    pod["spec"]["containers"] = [
        {"name": "t", "resources": {"claims": [{"name": "gpus"}]}}
    ]
    named = {"name": "gpus", "resourceClaimTemplateName": "four"}
    pod["spec"]["resourceClaims"] = [named]
    request = {"exactly": {"deviceClassName": "gpu.nvidia.com", "count": 4}}
    template = {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaimTemplate",
        "metadata": meta("four"),
        "spec": {"spec": {"devices": {"requests": [request]}}},
    }
    story = Story().see(1, pod)

    assert asked_by(pod["spec"]) == Ask(0, (Claim("ResourceClaimTemplate", "four"),))
    assert story.placements == []
    story.see(5, template)
    assert story.placements[-1].asked == 4
    story.gone(6, template)
    assert final(story.tracker, ns(7)) == {}


def test_a_claim_for_other_devices_is_no_gpu() -> None:
    """A network card is claimed in the same way."""
    pod = Pod("p").bound(1)
    pod["spec"]["containers"] = [{"name": "t"}]
    pod["spec"]["resourceClaims"] = [{"name": "nic", "resourceClaimName": "nic"}]
    claim = {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaim",
        "metadata": meta("nic"),
        "spec": {"devices": {"requests": [{"deviceClassName": "rdma.example.com"}]}},
    }

    assert Story().see(1, pod, claim).placements == []
