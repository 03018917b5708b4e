"""An embedding and two hidden layers that guess the next letter; Adam trains them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from charlm.corpus import ALPHABET, CONTEXT, Batch

Array = NDArray[np.float32]
Arrays = dict[str, Array]

EMBEDDED = 32
HIDDEN = 896
MICRO_BATCH = 256


@dataclass(slots=True)
class Model:
    """
    The weights and Adam's two moments of each.

    Args:
        weights, means, squares: Arrays by name, all of the same shapes.
        updates: How many optimizer steps they have seen.
    """

    weights: Arrays
    means: Arrays = field(default_factory=dict)
    squares: Arrays = field(default_factory=dict)
    updates: int = 0

    @property
    def parameters(self) -> int:
        """Return how many numbers are learned."""
        return sum(array.size for array in self.weights.values())


def fresh(seed: int = 0) -> Model:
    """Return a model that knows nothing."""
    rng = np.random.default_rng(seed)
    letters = len(ALPHABET)
    shapes = {
        "embed": (letters, EMBEDDED),
        "w1": (CONTEXT * EMBEDDED, HIDDEN),
        "b1": (HIDDEN,),
        "w2": (HIDDEN, HIDDEN),
        "b2": (HIDDEN,),
        "w3": (HIDDEN, letters),
        "b3": (letters,),
    }
    weights = {
        name: (rng.standard_normal(shape) / np.sqrt(shape[0])).astype(np.float32)
        if len(shape) > 1
        else np.zeros(shape, np.float32)
        for name, shape in shapes.items()
    }
    zeros = {name: np.zeros_like(array) for name, array in weights.items()}
    return Model(weights, zeros, {name: array.copy() for name, array in zeros.items()})


def forward(weights: Arrays, contexts: NDArray[np.uint8]) -> tuple[Array, ...]:
    """Return what each layer makes of the contexts; the last is log-probabilities."""
    inputs = weights["embed"][contexts].reshape(len(contexts), -1)
    first = np.tanh(inputs @ weights["w1"] + weights["b1"])
    second = np.tanh(first @ weights["w2"] + weights["b2"])
    scores = second @ weights["w3"] + weights["b3"]
    scores -= scores.max(axis=1, keepdims=True)
    logs = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    return inputs, first, second, logs


def loss(weights: Arrays, part: Batch) -> float:
    """Return the mean cross-entropy per letter, in nats."""
    contexts, targets = part
    logs = forward(weights, contexts)[-1]
    return float(-logs[np.arange(len(targets)), targets].mean())


def gradients(weights: Arrays, part: Batch) -> tuple[float, Arrays]:
    """Return the loss on one micro-batch and its gradient for every weight."""
    contexts, targets = part
    inputs, first, second, logs = forward(weights, contexts)
    rows = np.arange(len(targets))
    value = float(-logs[rows, targets].mean())
    at_scores = np.exp(logs)
    at_scores[rows, targets] -= 1
    at_scores /= len(targets)
    at_second = (at_scores @ weights["w3"].T) * (1 - second**2)
    at_first = (at_second @ weights["w2"].T) * (1 - first**2)
    at_inputs = (at_first @ weights["w1"].T).reshape(len(targets), CONTEXT, EMBEDDED)
    embed = np.zeros_like(weights["embed"])
    np.add.at(embed, contexts, at_inputs)
    return value, {
        "embed": embed,
        "w1": inputs.T @ at_first,
        "b1": at_first.sum(axis=0),
        "w2": first.T @ at_second,
        "b2": at_second.sum(axis=0),
        "w3": second.T @ at_scores,
        "b3": at_scores.sum(axis=0),
    }


def update(model: Model, gradient: Arrays, *, rate: float = 2e-4) -> None:
    """
    Move the weights by one Adam step, in place.

    Source:
        arXiv:1412.6980, algorithm 1, with its default decay rates.
    """
    model.updates += 1
    first_bias = 1 - 0.9**model.updates
    second_bias = 1 - 0.999**model.updates
    for name, slope in gradient.items():
        mean, square = model.means[name], model.squares[name]
        mean += np.float32(0.1) * (slope - mean)
        square += np.float32(0.001) * (slope * slope - square)
        size = np.sqrt(square / np.float32(second_bias)) + np.float32(1e-8)
        model.weights[name] -= np.float32(rate / first_bias) * mean / size
