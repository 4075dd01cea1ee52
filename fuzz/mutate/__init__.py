"""Mutators that know the format: they work on Stream and Section values and fall back to bytes."""

from fuzz.mutate.dice import Dice
from fuzz.mutate.mutator import ARMS, Mutator
from fuzz.mutate.places import Places
from fuzz.mutate.scene import Arm, Scene

__all__ = ["ARMS", "Arm", "Dice", "Mutator", "Places", "Scene"]
